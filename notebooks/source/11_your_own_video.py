# %% [markdown]
# # 11 Your own video
#
# From a file on a phone to masks: one command, what it writes, and how to look at it. And before you film: what this method can't do,
# shown on clips that break it.
#
# **Afterwards you will be able to**
#
# - segment a video file from the command line, find your way in what comes out, and say what memory it takes (11.1, 11.2);
# - film in a way that works (quiz 2);
# - recognise four kinds of failure, and say what to do about each (11.3, quiz 1);
# - put a result on a page that opens in any browser, without Python (quiz 3).
#
# **Takes** 0.1 minutes of computing on one core, and 0.5 GB of memory. About 40 minutes for you.
#
# **Read** Section 4.1 of the paper ([doi:10.1109/TPAMI.2021.3120228](https://doi.org/10.1109/TPAMI.2021.3120228)), on chains.
# Before: [00 Start here](00_start_here.ipynb) is enough; [10 Scoring](10_scoring.ipynb). After: [12 What the paper says](12_claims.ipynb).

# %%
from ikebook.course import check_answers, course_clip, figures, ikebook, np

# %%
clip, flow, source = course_clip("car-shadow", frames=10)

# %% [markdown]
# ## 1. A file
#
# We have no phone here, so we write a video file ourselves, from the frames of the clip above. **To use your own**, upload it (in
# JupyterLab: the arrow above the list of files), and put its path in the place of `video`. Begin with two or three seconds.

# %%
import tempfile
from pathlib import Path

from ikebook.base.files import write_video

folder = Path(tempfile.mkdtemp())
video = folder / "my_video.mp4"
write_video(video, clip.frames, fps=12)
print(f"{video.name}: {video.stat().st_size / 1000:.0f} kB")

# %% [markdown]
# ## 2. One command
#
# In a terminal it reads
#
#     ikebook segment my_video.mp4 --out result --size 208x112 --refine
#
# and the next cell is the same from Python. `--size` is the size that the graph works at (416x224 if you don't say, four times the
# pixels and the time); the masks come out at the video's own size. `--refine` adds masks drawn to the edges of the frames.

# %%
from ikebook import cli

out = folder / "result"
code = cli.main(["segment", str(video), "--out", str(out), "--size", "208x112", "--refine"])
assert code == 0

# %% [markdown]
# ## 3. What came out

# %%
for path in sorted(out.iterdir()):
    holds = f"  {len(list(path.iterdir()))} files" if path.is_dir() else f"  {path.stat().st_size / 1000:.0f} kB"
    print(f"{path.name}{holds}")

# %% [markdown]
# - `masks/` has a PNG for each frame, 255 on the object and 0 elsewhere: what an editing program wants;
# - `soft/` the same before the threshold; `refined/` drawn to the edges;
# - `overlay.webm` and `refined.webm` to look at; `sheet.png` to see all at once:

# %%
from ikebook.video.images import read_image

figures.row({"sheet.png": read_image(out / "sheet.png")})

# %% [markdown]
# `summary.json` has all that was done: options, versions, eigenvalues, seconds. Look into it *first* when a mask is odd.

# %%
import json

summary = json.loads((out / "summary.json").read_text())
for name in ("threshold", "object_share", "eigenvalue_ratio", "warnings", "seconds"):
    print(f"{name}: {summary.get(name)}")

# %% [markdown]
# - `object_share`: the part of the picture that is object. Below 0.005 or above 0.4: be suspicious.
# - `eigenvalue_ratio`: the next eigenvalue over the object's. Near 1, two things compete for being the object.
# - `warnings`: read them.
#
# None of these numbers knows the truth. A mask may hold a shadow, or lack half of the object, while all of them look well. So:
#
# ## 4. Look at it
#
# Read the results back, and play them beside the video.

# %%
own = ikebook.read_clip(video, size=None)
masks = np.stack([read_image(out / "masks" / f"{name}.png", 0) > 127 for name in own.frame_names])
refined = np.stack([read_image(out / "refined" / f"{name}.png", 0) > 127 for name in own.frame_names])
print(own)

# %% tags=["widget"]
from ikebook.widgets import ClipPlayer, Compare

player = ClipPlayer(own, masks={"masks": masks, "refined": refined})
player

# %% tags=["widget"]
player.frame = len(own) - 1
assert [canvas.frame for canvas in player.canvases] == [len(own) - 1] * 3

# %% [markdown]
# What has the refinement changed? Move the line. You have no truth for a video of your own: look at the outline, above all where the
# object's colour is like the background's, for there the bilateral solver has nothing to hold on to.

# %% tags=["widget"]
compare = Compare(own, masks, refined, names=("masks", "refined"))
compare.swipe = 0.4
assert compare.canvas.swipe == 0.4
compare

# %% [markdown]
# Every widget can be written as **one HTML file**. It opens in a browser, without Python and without a net; send it to somebody.

# %% tags=["widget"]
page = folder / "my_video.html"
player.save_html(page, title="My video")
print(f"{page.name}: {page.stat().st_size / 1e6:.1f} MB")
assert b"<html" in page.read_bytes()[:2000]

# %% [markdown]
# ## 5. More of it
#
# > **Exercise 11.1** Write the command for this: segment `holiday.mp4` into the folder `found`, with the graph working at 320 x 192, in
# > three cycles of graph and network, each training to end after 30 seconds. Give it as a list of words, `words = ["segment", ...]`.
# >
# > *Hint: `cli.main(["segment", "--help"])` prints all options (and ends the cell with SystemExit: 0, which is no error). Look
# > for size, cycles and budget.*
# >
# > *Nearly: `["segment", "holiday.mp4", "--out", "found", ...]`, then three options with a value each, all as text: 320x192, 3
# > and 30s.*

# %% tags=["exercise"]
words = ...

# %% tags=["solution"]
words = ["segment", "holiday.mp4", "--out", "found", "--size", "320x192", "--cycles", "3", "--budget", "30s"]

# %% tags=["check"]
check_answers("11.1", words)

# %% [markdown]
# Then, how long may a video be? Frames at the working size take a byte for each colour of a pixel. Flow takes most: two numbers of
# 4 bytes for each pixel, forward and backward, for each *pair* of neighbouring frames.
#
# > **Exercise 11.2** Write a function: how many **bytes** do the frames and the flow of m frames of w x h pixels take together?
# >
# > *Hint: two sums: 3 bytes a pixel for m frames, and the flow of m - 1 pairs.*
# >
# > *Nearly: a pair of frames has two fields (ahead and back) of two numbers of 4 bytes: 16 bytes a pixel.*


# %% tags=["exercise"]
def bytes_needed(m, w, h):
    return ...


# %% tags=["solution"]
def bytes_needed(m, w, h):
    return m * w * h * 3 + (m - 1) * w * h * 2 * 2 * 4


# %% tags=["check"]
check_answers("11.2", bytes_needed)

# %% [markdown]
# A minute at 30 frames a second and 416 x 224 takes 3.2 GB. So `ikebook segment` puts what does not fit on the disk: `--memory 1G`. A
# graph over a minute is rarely what you want, though: cut the video into scenes.
#
# ## 6. What to film
#
# - **The object moves, the rest stands**; or the camera follows it, so that the rest moves. Either will do.
# - **It does not fill the frame**, and does not sit at its border. What is common along the border counts as background.
# - **Slowly enough**: flow finds motions of some tens of pixels from frame to frame, not jumps. 30 frames a second are better
#   than 10; don't throw frames away.
# - **Light**, so that frames are sharp. Blur and grain are poison for flow.
# - **No cuts.** Two or three seconds of one scene.
# - Upright or wide, as you like: `read_clip` turns the working size.
#
# ## 7. What fails
#
# Each of these is a toy that breaks one rule. First a camera that *follows* the object, which is fine, to see what all right looks like.

# %%
size, count = "104x56", 12
toys = {"the camera follows": "tracked", "the object pauses": "pause"}
toys |= {"nothing moves": "still", "two objects": "two_objects"}
made = {name: ikebook.toy(kind, size, 40 if kind == "pause" else count) for name, kind in toys.items()}
found = {name: ikebook.segment(each.clip, each.flow) for name, each in made.items()}
figures.row({f"{name}: last frame": each.clip.frames[-1] for name, each in made.items()})

# %% [markdown] tags=["guess"]
# These are the last frames. In how many of them will the mask be empty?
# - in none: each shows an object :: To you. The method is shown motion.
# - in one, as nothing moves there :: In that one surely. But another object has rested for long, too.
# + in two :: Where nothing has moved at all, and where the object rests for longer than chains reach.
# - in three, as two objects can't be one cluster :: They can: both move against the scene, and a mask may have two parts.

# %%
figures.row({f"{name}: mask": each.masks[-1] for name, each in found.items()})

# %%
from ikebook.video.metrics import region_similarity

for name, each in found.items():
    J = np.mean([region_similarity(a, b) for a, b in zip(each.masks, made[name].clip.masks, strict=True)])
    print(f"{name}: J {J:.2f}", *each.warnings)

# %% [markdown]
# **The object pauses.** From frame 16 of 40 on it moves with the scene. It is found up to frame 30, for chains reach 15 frames, and
# then it is gone: the picture shows the last frame. Cycles with a network help there, as a network knows what the object looks
# like.
#
# **Nothing moves.** Then nothing is an object, by definition: the masks are empty, and a warning says so. A video of something that
# stands still before a camera that stands still is not for this method.
#
# **Two objects.** The main object is *one* cluster. Which of the two, or both, is a matter of eigenvalues, and may not be what you want.
#
# Photographs fail, too, and not for want of an object. A shuttle climbs past galaxies; an astronaut walks past a wall, cut off by the frame's
# border. Both clips come with ikebook, so what their *true* flow would give is known, beside what OpenCV's DIS sees of it:

# %% [markdown] tags=["guess"]
# A cup on a lawn, a shuttle in the sky, a person before a wall. Which will be found best?
# + the cup :: It moves against the scene, lies within the frame, and all around it is texture.
# - the shuttle, as it is alone in a dark sky :: To the eye. In a dark sky flow has nothing to hold on to, so the sky beside the
#   shuttle seems to go with it.
# - the astronaut, as a large thing is easy to see :: And is cut off by the frame's border. What lies along the border counts as
#   background.

# %%
photographed = {name: ikebook.demo(count, "208x112", scene=name) for name in ("cup", "shuttle", "astronaut")}
seen = {name: ikebook.segment(each.clip) for name, each in photographed.items()}
known = {name: ikebook.segment(each.clip, each.flow) for name, each in photographed.items()}
for name, each in photographed.items():
    truth = each.clip.masks
    J = [np.mean([region_similarity(*pair) for pair in zip(x[name].masks, truth)]) for x in (seen, known)]
    print(f"{name}: J {J[0]:.2f} with the flow that DIS sees, {J[1]:.2f} with the true one")

# %%
figures.row(
    {name: each.clip.frames[6] for name, each in photographed.items()}
    | {f"{name}: how sure": each.soft[6] for name, each in seen.items()},
    columns=3,
)

# %% [markdown]
# **Dark, or without texture.** Between the galaxies is nothing that flow could hold on to, so the sky beside the shuttle seems to move with
# it. **At the border.** What lies along the border counts as background, unless the flow says very clearly that it is not.
#
# Now a **cut**: two scenes, one after the other, as in any edited film. In the first the cup travels over the lawn, in the second the
# camera follows a disc. Both are easy, one by one.

# %%
scenes = [ikebook.demo(8, size).clip, ikebook.toy("tracked", size, 8).clip]
film = {each: np.concatenate([getattr(scene, each) for scene in scenes]) for each in ("frames", "masks")}
cut_film = ikebook.Clip(name="with a cut", **film)
parts = [ikebook.segment(c) for c in (cut_film, *scenes)]
figures.row(
    {f"frame {i}": cut_film.frames[i] for i in (6, 7, 8, 9)} | {f"soft, {i}": parts[0].soft[i] for i in (6, 7, 8, 9)},
    columns=4,
)

# %% [markdown] tags=["guess"]
# Chains lead across the cut, from a cup to a disc. What will that cost?
# - nothing, as each scene has its own chains :: Flow is computed for each pair of frames, the pair at the cut as well, and chains
#   follow it.
# - about half of J :: So it is with links that do not know colour, as the third line shows.
# + some hundredths of J, and far more without colour :: The default believes a link only as far as the colour stays, which across
#   a cut it does not.

# %%
colourless = ikebook.override(ikebook.preset("default"), "motion.colour=none")
ways = {"in one film, with the cut": parts[0].masks}
ways |= {"each scene alone": np.concatenate([part.masks for part in parts[1:]])}
ways |= {"in one film, links without colour": ikebook.segment(cut_film, options=colourless).masks}
J = {name: [region_similarity(a, b) for a, b in zip(x, cut_film.masks, strict=True)] for name, x in ways.items()}
figures.curves(J, x=range(16), labels=("frame", "J"))

# %% [markdown]
# Flow between the last frame of one scene and the first of the next is made up: nothing in the one is in the other. Every chain that
# crosses the cut joins things that have nothing to do with each other. What saves the default is that it believes a link only as far
# as the colour stays, which across a cut it does not; it loses some hundredths. With links that do not know colour, which are the paper's,
# nothing of either scene is found as it should be. Cut first, then segment.
#
# > **Exercise 11.3** Find the cut from the frames alone: `cut` is the number of the first frame of the second scene. Use
# > `cut_film.frames`, (frames, height, width, 3), 8-bit.
# >
# > *Hint: neighbouring frames differ by a jump at a cut. 8-bit numbers wrap around when you subtract them: `.astype(float)`
# > first. And which of the two frames of that pair is asked for?*
# >
# > *Nearly: `np.abs(np.diff(..., axis=0))`, its `.mean(axis=(1, 2, 3))`, and of that `.argmax()`: the number of the first frame
# > of the pair.*

# %% tags=["exercise"]
cut = ...

# %% tags=["solution"]
cut = int(np.abs(np.diff(cut_film.frames.astype(float), axis=0)).mean(axis=(1, 2, 3)).argmax()) + 1

# %% tags=["check"]
check_answers("11.3", cut)

# %% [markdown]
# On **real** videos there is more, and no toy shows it. Of the twelve clips of DAVIS that we have looked at, these four fail, each in
# a way of its own (J of the first graph; `ikebook evaluate davis2016 --root ../shared/davis2016 --out results`):
#
# | | J | |
# |---|---:|---|
# | kite-surf | 16.4 | rider, kite lines and spray move as one |
# | bmx-trees | 54.3 | the bicycle is thinner than what the flow resolves |
# | drift-chicane | 63.0 | the smoke goes with the car |
# | goat | 62.7 | boulders in front move as the goat does |
#
# What moves *with* the object, what moves *like* it, what is *thin*: that is the list to remember.

# %% [markdown] tags=["quiz"]
# `summary.json` says `eigenvalue_ratio: 0.97`. What does that mean?
# - the mask is right with 97 percent :: No number in there knows the truth.
# + two things compete for being the object :: The next eigenvalue is nearly as large as the first: a little noise may exchange
#   them.
# - the iteration has nearly converged :: It says what the *matrix* is like, however it was solved.
#
# Somebody stands still before a camera that stands still. What helps?
# - more cycles :: The first graph finds nothing, and has nothing to teach.
# - a higher resolution :: More pixels, none of which moves against the scene.
# + another film: they move, or another method :: Nothing moves, so by this method nothing is an object. It says so in a warning.
#
# How do you show a widget to somebody who has no Python?
# - send the notebook :: Without a kernel it shows a still picture, at best.
# + `save_html`, and send the one file :: It opens in a browser, without Python and without a net.
# - send the address of your JupyterLab :: That runs on your machine, and would let them run things there.

# %% [markdown]
# ## What to take along
#
# - `ikebook segment VIDEO --out DIR`; read `summary.json`, look at `sheet.png`.
# - Film two or three seconds without a cut, with an object that moves against the rest and does not fill the frame.
# - `save_html` makes a page of any widget, to send.
#
# **Wrap-up.** One command went from a file to masks, and `summary.json` says what was done. What fails goes back to Section 4.1:
# chains need motion against the scene, texture that flow can hold on to, and no cut; an object that rests is lost once it has
# rested for longer than chains reach, and there the network of Section 5 helps. `save_html` makes a page of any widget, to send.
# The last notebook reads the paper's claims again, slowly: [12](12_claims.ipynb).
