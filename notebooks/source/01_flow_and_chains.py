# %% [markdown]
# # 01 Optical flow and motion chains
#
# Nobody tells us what the object of a video is. All we have is motion. This notebook measures it from frame to frame, and then
# follows it through the whole video, pixel by pixel.
#
# **Afterwards you will be able to**
#
# - read a flow field, and find the place where a pixel goes (01.1, quiz 1);
# - follow a motion chain by hand, and know where it ends (01.2, quiz 2);
# - detect pixels whose flow can't be trusted, because something hides them (01.3);
# - say how much two pixels count for each other when they are some frames apart (01.4, quiz 3).
#
# **Takes** 0.1 minutes of computing on one core, and 0.5 GB of memory. About 60 minutes for you.
#
# **Read** Section 4.1 and Figs. 2 and 3 of the paper ([doi:10.1109/TPAMI.2021.3120228](https://doi.org/10.1109/TPAMI.2021.3120228)).
# Before: [00 Start here](00_start_here.ipynb). After: [02 The motion matrix](02_motion_matrix.ipynb).

# %%
from ikebook.course import check_answers, course_clip, double, figures, ikebook, np

# %%
clip, flow, source = course_clip("blackswan", frames=25)

# %% [markdown]
# ## 1. A video

# %%
figures.video(clip.frames, count=4)

# %% [markdown]
# Let it run. The arrow keys step from frame to frame, the space bar plays.

# %% tags=["widget"]
from ikebook.widgets import ClipPlayer

player = ClipPlayer(clip)
player

# %% tags=["widget"]
player.frame = 3
assert player.canvases[0].frame == 3

# %% [markdown]
# ## 2. Optical flow
#
# The *optical flow* says for each pixel of a frame where it lies in the next one: a displacement (dx, dy), in pixels, x to the
# right and y **down**. A clip of m frames has m - 1 such fields forward in time, and as many backward:
#
# - `flow.forward[i]` leads from frame i to frame i+1,
# - `flow.backward[i]` leads from frame i+1 back to frame i.

# %% [markdown] tags=["guess"]
# Each arrow will say where a pixel goes until the next frame. What do you expect to see?
# - arrows in all directions, as every pixel has its own way :: Pixels are parts of things, and things move as wholes. Neighbours
#   nearly always go the same way.
# - arrows on the object only, and none elsewhere :: So it is before a camera that stands perfectly still. A camera that moves
#   makes all that it sees move.
# + most arrows alike, and a group that differs :: One motion covers most of the picture, the camera's. Something in it has a
#   motion of its own.

# %%
print(source)
print("flow.forward:", flow.forward.shape, "  m-1, height, width, (dx, dy)")
figures.flow(flow.forward[3], clip.frames[3], title="frame 3 to 4")

# %% [markdown]
# **Look:** most arrows agree. That is the *dominant motion*, the camera's. Some do not.
#
# Is the flow right? Look up, for each pixel of frame 3, the place in frame 4 where flow says it has gone. If that is
# true, the picture so made is frame 3 again.

# %%
from ikebook.flow.fields import warp

before = np.abs(clip.frames[4].astype(float) - clip.frames[3]).mean(-1)
after = np.abs(warp(clip.frames[4], flow.forward[3]).astype(float) - clip.frames[3]).mean(-1)
figures.row({"frame 4 less frame 3": before, "warped frame 4 less frame 3": after}, shared=True, bar=True)

# %% [markdown]
# What is still bright on the right is noise, a change of light, or a place that can be seen in one of the two frames only: hidden
# in the other, or beyond its border.
#
# From here on a toy, whose flow is *known*: a disc of 48 x 48 pixels, 8 frames.

# %%
toy = ikebook.toy("disc", size="48x48", frames=8)
figures.flow(toy.flow.forward[1], toy.clip.frames[1], step=4, title="frame 1 to 2")

# %% [markdown]
# > **Exercise 01.1** The pixel x = 26, y = 13 of frame 1: which pixel of frame 2 is it nearest to? Give `x_next` and `y_next`.
# >
# > *Hint: arrays of pictures are indexed row first: `[y, x]`. The flow of that pixel is a pair (dx, dy).*
# >
# > *Nearly: `dx, dy = toy.flow.forward[1, y, x]` with the pixel's numbers; then `round(x + dx)`, and the same for y.*

# %% tags=["exercise"]
x_next, y_next = ..., ...

# %% tags=["solution"]
dx, dy = toy.flow.forward[1, 13, 26]
x_next, y_next = round(26 + dx), round(13 + dy)

# %% tags=["check"]
check_answers("01.1", x_next, y_next)

# %% [markdown]
# ## 3. Motion chains
#
# From that place take the next step, with the flow of frame 2, and so on: a **motion chain**. Positions keep their fractions of a
# pixel; only to look up the flow (and later, to say which node the chain meets) the nearest pixel is taken. A chain that
# leaves the frame ends there.
#
# ikebook follows the chains of all pixels of a frame at once, forward and backward. Here are some of them.

# %% [markdown] tags=["guess"]
# The toy's flow is exact. Does a chain that begins on the background, ahead of the disc, stay on the background?
# - yes, always, as the flow is exact :: It is exact for what can be seen. A pixel of the background that the disc is about to
#   cover has no place in the next frame at all.
# + not where the disc comes to cover it :: There the flow belongs to the disc, and the chain goes on with it. Look for chains
#   with a kink.

# %%
from ikebook.matrix.chains import MotionChains
from ikebook.matrix.neighbours import Neighbourhood

chains = MotionChains(toy.flow, compute=double)
near = Neighbourhood(chains, frame=3, radius=7)
some = [near.chain((x, y)) for y in range(4, 48, 8) for x in range(4, 48, 8)]
figures.paths(toy.clip.frames[3], [(c.x, c.y) for c in some], title="chains through frame 3; dots are their beginnings")

# %% [markdown]
# > **Exercise 01.2** Write `follow`: the positions of the chain that goes *ahead* from pixel (x, y) of frame `start`. A list of pairs
# > (x, y), the pixel itself first, then one for each step, at most `steps`. Stop when the nearest pixel lies outside of the frame,
# > without that position.
# >
# > *Hint: in step k use the field `forward[start + k]` at `[round(y), round(x)]`, and do not round what you keep.*
# >
# > *Nearly: in a loop over `forward[start : start + steps]`: look up (dx, dy), add it to x and y, `break` if the rounded pixel is
# > outside, else append (x, y).*


# %% tags=["exercise"]
def follow(forward, x, y, start, steps):
    return ...


# %% tags=["solution"]
def follow(forward, x, y, start, steps):
    positions, (h, w) = [(x, y)], forward.shape[1:3]
    for field in forward[start : start + steps]:
        dx, dy = field[round(y), round(x)]
        x, y = x + dx, y + dy
        if not (0 <= round(x) < w and 0 <= round(y) < h):
            break
        positions.append((x, y))
    return positions


# %% tags=["check"]
check_answers("01.2", follow)

# %% [markdown]
# Now on the video. Click pixels, on what moves and on what does not, and near the edges of things. Purple lines come from
# pixels whose chains *arrive* here: one pixel may have many of them, or none.

# %% tags=["widget"]
from ikebook.widgets import ChainExplorer

explorer = ChainExplorer(clip, flow, frame=6)
explorer

# %% [markdown]
# What the mouse does, a cell can do. The chain of the middle pixel reaches as far as the radius, or the clip, lets it.

# %% tags=["widget"]
explorer.frame, explorer.pixel = 6, (clip.size[0] // 2, clip.size[1] // 2)
explorer.radius = 2
assert len(explorer.chain) <= 5
explorer.radius = 15
explorer.chain.frames

# %% [markdown]
# ## 4. What flow can't see
#
# A disc passes *behind* a post. A pixel of the disc that is about to disappear has no place in the next frame. Flow gives it one
# all the same, and its chain is caught by the post.

# %%
hidden = ikebook.toy("occluder", size="48x48", frames=8)
caught = Neighbourhood(MotionChains(hidden.flow), frame=0, radius=7)
some = [caught.chain(pixel) for pixel in ((10, 16), (13, 20), (16, 24), (19, 28), (22, 32))]
figures.paths(hidden.clip.frames[0], [(c.x, c.y) for c in some], title="chains from frame 0: some run into the post")

# %% [markdown]
# There is a way to notice: go **there and back**. Forward by the forward flow, then backward by the backward flow *at the place
# reached*. Who does not come home has met a different thing.
#
# > **Exercise 01.3** Write `round_trip`: for one pixel and the fields `forward`, `backward` (h, w, 2) of one pair of frames, the
# > distance in pixels between the start and the place where the round trip ends. (You will only be asked for trips within the frame.)
# >
# > *Hint: two steps, the second with the backward field, looked up where the first one has led. What is left of their sum?*
# >
# > *Nearly: `dx, dy = forward[y, x]`, then `back = backward[round(y + dy), round(x + dx)]`; the length of the sum of both, by
# > `np.hypot`.*


# %% tags=["exercise"]
def round_trip(forward, backward, x, y):
    return ...


# %% tags=["solution"]
def round_trip(forward, backward, x, y):
    dx, dy = forward[y, x]
    back = backward[round(y + dy), round(x + dx)]
    return np.hypot(dx + back[0], dy + back[1])


# %% tags=["check"]
check_answers("01.3", round_trip)

# %% [markdown]
# With `consistent=True` chains end at such a step: where the square of that distance is above 0.5 + 0.01 times the squared lengths of both
# steps (Sundaram, Brox and Keutzer 2010). What remains, on the real video: the share of pixels whose chains are still alive
# after k frames.

# %% [markdown] tags=["guess"]
# The check ends chains that don't come home. But the curve of *all* chains, without the check, will fall too. Why?
# + chains leave the frame :: A chain ends at the frame's border, with or without the check.
# - their pixels get hidden :: Nothing notices that without the check. Such a chain lives on, and follows the wrong thing.
# - their weights fade with time :: They do, but a chain with a small weight is alive. Weights come in section 6.

# %%
from ikebook.matrix.chains import ChainOptions

alive = {}
for name, consistent in (("all chains", False), ("consistent chains", True)):
    followed = MotionChains(flow, ChainOptions(consistent=consistent))
    met = followed.trace(0, 11).ahead
    alive[name] = [float((followed.grid.crop(followed.grid.pixel_of(s.cell)) >= 0).float().mean()) for s in met]
figures.curves(alive, labels=("frames later", "share of chains alive"))

# %% [markdown]
# Fewer links, but better ones? On 12 sequences of DAVIS 2016 ikebook's masks reach a mean J of 68.9 with all chains, and of 65.0 with
# consistent ones (2026-11-22, `python tests/experiments/ablation.py --root ../shared/davis2016`). So the check is an option, and off.
#
# ## 5. Small errors add up
#
# Flow of a real video is estimated, here by OpenCV's DIS. The clips that come with ikebook are composed of photographs, so
# their true flow is known. How far do the chains of the estimated flow drift away from the true ones? One clip is the cup on its lawn;
# in the other a space shuttle climbs past galaxies, and most of the sky is black.

# %%
from ikebook.course.drift import drift

away, skies = {}, {}
for scene in ("cup", "shuttle"):
    made = ikebook.demo(frames=12, size=(208, 112), scene=scene)
    estimated = ikebook.compute_flow(made.clip, "dis")
    skies[scene] = made.clip.frames[6]
    away[scene] = drift(MotionChains(estimated), MotionChains(made.flow), steps=11)
figures.row(skies)

# %% [markdown] tags=["guess"]
# On which of the two clips do estimated chains leave the true ones faster?
# - on the cup, because of its patterned lawn :: A pattern is what flow holds on to: each patch looks different from its
#   neighbours.
# + on the shuttle, because of its black sky :: Where all patches look alike, none can be found again in the next frame, and flow
#   has to guess.

# %%
figures.curves(away, labels=("steps", "median distance from the truth, px"))

# %% [markdown]
# **Look:** grass has something to hold on to at every pixel. Where a picture is one colour, any displacement explains it, and flow takes
# what its neighbours have.

# %% [markdown]
# ## 6. Near in time, near in weight
#
# That is one reason to trust near frames more than far ones. Two pixels that a chain joins are worth
#
# $$k(a, b) = \exp\left(-\frac{(t_a - t_b)^2}{2 \sigma^2}\right)$$
#
# to each other, with $\sigma$ = 4 frames.

# %%
dt = np.arange(0, 21)
widths = {f"sigma = {sigma}": np.exp(-(dt**2) / (2 * sigma**2)) for sigma in (2, 4, 8)}
figures.curves(widths, x=dt, labels=("frames apart", "weight k"))

# %% [markdown]
# > **Exercise 01.4** With sigma = 4: what is the smallest whole number of frames at which the weight is below 1 percent?
# >
# > *Hint: solve k = 0.01 for the time. Natural logarithm.*
# >
# > *Nearly: t = sigma times the square root of 2 ln(100), rounded up by `np.ceil`.*

# %% tags=["exercise"]
frames_apart = ...

# %% tags=["solution"]
frames_apart = int(np.ceil(4 * np.sqrt(2 * np.log(100))))

# %% tags=["check"]
check_answers("01.4", frames_apart)

# %% [markdown] tags=["quiz"]
# Between which frames does `flow.backward[4]` lead?
# - from frame 4 to frame 3 :: That is `flow.backward[3]`. Field i belongs to the pair of frames i and i+1, in both directions.
# + from frame 5 to frame 4 :: Field i belongs to the pair (i, i+1): `forward[i]` goes there, and `backward[i]` comes back.
# - from frame 4 to frame 5 :: That is `flow.forward[4]`, the other way between the same two frames.
#
# From each pixel two chains go out, one ahead and one back. How many arrive?
# - two, one from each side :: Outgoing chains can be counted on like that, arriving ones can't: several can end in one pixel, as
#   where things are covered.
# - one at least :: Where a thing has just come into view, no chain from before leads there.
# + any number, also none :: Flow maps pixels to places, and that map is neither one to one nor onto.
#
# The flow errs by 0.1 pixel to the right, in each step. How far off is a chain after ten steps?
# - by 0.1 pixel, as each step errs by that :: Each step begins where the last one has ended, errors included.
# + by about 1 pixel :: Errors of one direction add up. That is why far frames are to count less.
# - it can't be said, as errors cancel :: Errors that go to all sides cancel in part. These all go to the right.

# %% [markdown]
# ## What to take along
#
# - `flow.forward[i][y, x]` is where pixel (x, y) of frame i goes, in pixels.
# - A motion chain follows it step by step, at sub-pixel positions, and ends at the frame's border. Two chains go out from each pixel;
#   any number comes in.
# - Errors add up along chains, so far frames count less: a Gaussian of the time between.
#
# **Wrap-up.** Optical flow leads from frame to frame; step after step it makes the *motion chains* of Section 4.1 (Figs. 2 and
# 3). Two pixels that a chain joins are worth k to each other, a Gaussian of the time between them. Flow errs where things are
# hidden, and where nothing can be held on to, and chains add these errors up. The next notebook writes all chains of a video into
# one matrix, the M of Section 4.1: [02](02_motion_matrix.ipynb).
