# %% [markdown]
# # 00 Start here
#
# A video comes in, and a program that has never seen a label, a mask or another video says which pixels are its main object.
# This notebook lets you see that happen, shows what the course holds, and how its exercises work.
#
# **Afterwards you will be able to**
#
# - segment a video with one call, and play the result (00.2);
# - say in four sentences, with pictures, how the method goes from motion to object (quiz 1, quiz 2);
# - answer an exercise and have it checked (00.1, 00.2);
# - choose where in the course to begin, and say how much one score proves (quiz 3).
#
# **Takes** 0.1 minutes of computing on one core, and 0.5 GB of memory. About 20 minutes for you.
#
# **Read** Section 3 and Fig. 1 of the paper (Haller, Florea and Leordeanu, TPAMI 2022,
# [doi:10.1109/TPAMI.2021.3120228](https://doi.org/10.1109/TPAMI.2021.3120228)).
# After: [01 Flow and chains](01_flow_and_chains.ipynb).
#
# Where a picture can be foreseen, a notebook asks for a **guess** first: open the answer that you believe in, and it says whether it
# holds, and why. Nothing is graded, and a wrong guess teaches more than none. Hints of exercises open in the same way.
#
# Run the next two cells of code with Shift+Enter; the first time, they take some seconds each. All notebooks begin with the same line: it
# fetches NumPy (`np`), PyTorch (`torch`), `ikebook` itself, and the course's clips, pictures and checks.

# %%
from ikebook.course import check_answers, course_clip, double, figures, ikebook, np, pipeline, torch

# %% [markdown] tags=["guess"]
# The program has seen no label and no other video. What will it take for the main object?
# - what lies in the middle of the picture :: That counts a little, against things along the border. But what rests in the middle
#   of a resting picture is not found.
# + what moves otherwise than the scene :: Most pixels move as the camera makes them move. What does not is special, and motion is
#   all that this program goes by at first.
# - what has the most striking colour :: Colours only say how far a link between two pixels is to be believed. Which pixels are
#   special is asked of their motion.

# %%
clip, flow, source = course_clip("blackswan", frames=25)
result = ikebook.segment(clip, flow)
pipeline(clip, flow, result.masks)

# %% [markdown]
# **Look:** the video; its pixels, followed along their motion; pure noise, which three or four multiplications with a matrix turn into
# the object; and the masks.
#
# That was all: two calls, and a third that draws. Play it yourself: the space key starts and stops, the arrow keys go frame by frame, Ctrl and the mouse wheel zoom. In the second
# picture is what the program takes for the object, in the third how sure it is of each pixel.

# %% tags=["widget"]
from ikebook.widgets import ClipPlayer

player = ClipPlayer(clip, masks=result.masks, soft=result.soft, names=["the video", "the object", "how sure"])
player

# %% [markdown]
# Whatever you can do to a widget with the mouse, a program can do too. This cell goes to frame 8; look at the player above.

# %% tags=["widget"]
player.frame = 8
assert all(canvas.frame == 8 for canvas in player.canvases)

# %% [markdown]
# The same as a still picture, for a page without widgets: three frames, and the soft mask of each.

# %%
middle = len(clip) // 2
shown = (1, middle, len(clip) - 2)
figures.row({f"frame {i}": clip.frames[i] for i in shown} | {f"soft, frame {i}": result.soft[i] for i in shown})

# %% [markdown]
# ## 1. What has just happened
#
# `ikebook.segment` got the frames and their *optical flow*: for each pixel, where it will be in the next frame. It got no mask
# and no label, and there is nothing in it that was trained on any.
#
# **One: follow the motion.** From each pixel, step by step along the flow, goes a *motion chain*. Here are some, drawn over a
# frame, each from the dot on.

# %%
from ikebook.matrix.chains import MotionChains
from ikebook.matrix.neighbours import Neighbourhood

near = Neighbourhood(MotionChains(flow), frame=middle, radius=15)
w, h = clip.size
drawn = [near.chain((x, y)) for x in range(8, w, 24) for y in range(8, h, 16)]
figures.paths(clip.frames[middle], [(chain.x, chain.y) for chain in drawn], title="motion chains through one frame")

# %% [markdown]
# **Two: see what is special.** Most of the picture moves as the camera makes it move. What moves otherwise, and in the middle
# rather than along the border, is *salient*. One number for each pixel, frame by frame; where flow errs, it errs:

# %%
saliency = torch.as_tensor(result.saliency)
figures.row({f"saliency, frame {i}": saliency[i] for i in shown}, shared=True)

# %% [markdown]
# **Three: make a graph of it.** Pixels that a chain joins should belong together; pixels whose saliency along the chain is alike
# should, too. Both go into one matrix A, with a row and a column for *every pixel of every frame*. For a toy of 1280 pixels we
# can draw it. On the left as the pixels come, on the right with those of the object first:

# %% [markdown] tags=["guess"]
# On the right the pixels of the object come first, in rows and in columns. How will the object show?
# - as a line along the diagonal :: The diagonal pairs each pixel with itself. A pixel of the object goes with all the others of
#   it, and all those pairs fill more than a line.
# + as a square in the corner top left :: Rows and columns have the same new order, so all pairs of two object pixels meet in that
#   corner. Each goes with each, so it is full.
# - not at all, as only the order changes :: No entry changes, that is true. But the entries that belong together were strewn over
#   the whole picture, and now they lie side by side.

# %%
from ikebook.matrix.orders import node_order

toy = ikebook.toy("disc", size="16x16", frames=5)
A = ikebook.build(toy.clip, toy.flow, compute=double).dense()
first = node_order("object", masks=toy.clip.masks)
figures.matrices({"A": A, "A, the object first": A[first][:, first]}, zoom=3)

# %% [markdown]
# **Look:** in the corner top left there is a red square, and it is not large: pixels of the object, each of which goes with all
# the others. The blue bands say that they do *not* go with the rest. The rest goes with itself, too, but each of its many pixels only a
# little.
#
# **Four: find the strongest cluster.** The eigenvector that belongs to the largest eigenvalue of A is large on such a square. That
# vector is the answer. For your clip, where A has so many rows that no computer could hold it, here it is, red above zero:

# %%
figures.row({f"eigenvector 1, frame {i}": result.labels[i] for i in shown}, signed=True, shared=True)

# %%
nodes = int(np.prod(result.labels.shape))
print(f"A has {nodes:,} rows; as a table, 8 bytes a number, it would take {8 * nodes**2 / 1e12:.1f} TB.")
print(f"its largest eigenvalues: {', '.join(f'{float(value):.2f}' for value in result.pairs.values[:3])}")

# %% [markdown]
# How to get an eigenvector of a matrix that is never built is the middle of the course. In the second half a small neural network
# learns from the graph's masks, and the graph from the network's: the *knowledge exchange* of the title.
#
# ## 2. Is it right?
#
# Some videos come with masks that people drew, or, for the embedded clip, that are known exactly. The method never sees
# them; a score does. **J** is the overlap: the pixels that both masks have, over those that either has. 1 is perfect.

# %%
from ikebook.video.metrics import region_similarity

if clip.masks is not None:
    J = [region_similarity(mask, truth) for mask, truth in zip(result.masks, clip.masks, strict=True)]
    print(f"J over {len(J)} frames: {np.mean(J):.2f} on average, {min(J):.2f} at least")

# %% [markdown]
# One clip says little. On twelve real videos the mean is 0.71, and on one of them 0.16 (2026-11-28, two cores of an AMD EPYC,
# `ikebook evaluate davis2016 --root ../shared/davis2016 --out results`). Notebook [10](10_scoring.ipynb) holds that against what
# the paper reports, and [11](11_your_own_video.ipynb) says what makes a video hard.
#
# ## 3. What the course holds
#
# | | | you will |
# |---|---|---|
# | [01](01_flow_and_chains.ipynb) | Flow and chains | follow a pixel through a video, and see where that fails |
# | [02](02_motion_matrix.ipynb) | The motion matrix M | write a video down as a matrix |
# | [03](03_features_and_projection.ipynb) | Features, and the projection P | say what makes a pixel special, by least squares |
# | [04](04_feature_motion_matrix.ipynb) | The Feature-Motion matrix A | find the object as a block in a matrix |
# | [05](05_power_iteration.ipynb) | Power iteration | reach the eigenvector by hand, from whatever you paint |
# | [06](06_never_build_the_matrix.ipynb) | Never build the matrix | do the same where n is a million |
# | [07](07_network_module.ipynb) | The Network Module | train a U-Net on masks that nobody drew |
# | [08](08_knowledge_exchange.ipynb) | Knowledge exchange | let graph and network teach each other |
# | [09](09_borrowed_knowledge.ipynb) | Borrowed knowledge | mend another program's masks |
# | [10](10_scoring.ipynb) | Scoring | measure, compare, and doubt a comparison |
# | [11](11_your_own_video.ipynb) | Your own video | go from a phone to masks |
# | [12](12_claims.ipynb) | What the paper says and what is true | check the paper's claims one by one |
#
# Two hours? 02 and 04. An afternoon: 01, 02, 04, 05. A day: 01 to 06. A user rather than a student: 11, then 09. Each notebook
# stands on its own feet; where it needs an idea from before, it says which.
#
# What you should know: vectors, matrices, eigenvalues; loops and arrays in Python. Graph Laplacians and video need not be
# known.
#
# ## 4. How exercises work
#
# A grey block like the next one holds a task. Put your answer in the place of `...` in the cell below it, run that cell, then the
# check. The check says what is wrong, and never costs you anything; try as often as you like.
#
# > **Exercise 00.1** In the graph, every pixel of every frame is a *node*. How many nodes has a clip of 24 frames, each 416 pixels
# > wide and 224 pixels high?
# >
# > *Hint: colours don't count: a pixel is one node. How many pixels has one frame?*
# >
# > *Nearly: frames times width times height; Python multiplies with `*`.*

# %% tags=["exercise"]
node_count = ...

# %% tags=["solution"]
node_count = 24 * 416 * 224

# %% tags=["check"]
check_answers("00.1", node_count)

# %% [markdown]
# An answer that is wrong is told why. Here is one, made on purpose: only one frame.

# %%
from ikebook.check_answers import WrongAnswer

try:
    check_answers("00.1", 416 * 224)
except WrongAnswer as wrong:
    print(wrong)

# %% [markdown]
# The second exercise needs code. A soft mask says how sure the program is of each pixel, between 0 and 1. To say yes or no, cut
# it at a threshold; the program has chosen one for the clip. (How, without knowing the truth: [10](10_scoring.ipynb).) The toy is
# segmented by the plain graph that notebooks 04 to 06 take apart, `preset("saliency")`; the default is sure of every pixel of it.

# %%
small = ikebook.toy("disc", size="48x32", frames=6)
found = ikebook.segment(small.clip, small.flow, options=ikebook.preset("saliency"))
print(f"the threshold of this toy: {found.threshold:.2f}")
figures.row({f"soft, frame {i}": found.soft[i] for i in range(4)}, shared=True)

# %% [markdown]
# > **Exercise 00.2** From `found.soft` and `found.threshold` make the masks of the toy's object: an array of true and false, of the
# > same shape, true where the soft mask is above the threshold.
# >
# > *Hint: NumPy compares whole arrays at once, pixel by pixel.*
# >
# > *Nearly: `array > number` is an array of true and false, of the array's shape. Here the array is `found.soft`.*

# %% tags=["exercise"]
my_masks = ...

# %% tags=["solution"]
my_masks = found.soft > found.threshold

# %% tags=["check"]
check_answers("00.2", my_masks)

# %% [markdown] tags=["quiz"]
# What has the program been told about the object before it begins?
# - its mask in the first frame :: Some methods are handed that, and follow it. This one gets no mask at all; true masks are only
#   looked at for the score, afterwards.
# - what objects look like, from other videos :: Nothing in the graph has been trained. A network comes in notebook 07, and it
#   learns from the graph's masks of this very video.
# + nothing: it gets the frames and their optical flow :: And flow says where pixels go, not what they are.
#
# What does one number of A's principal eigenvector belong to?
# + one pixel of one frame :: A has a row for each of them, so an eigenvector has a number for each: how strongly that pixel
#   belongs to the strongest cluster.
# - a pair of pixels :: That is an entry of the matrix A. An eigenvector has as many numbers as A has rows.
# - one frame :: A clip of 25 frames would have 25 numbers then, and no picture could be made of them.
#
# J is 0.95 on a clip. What does that say about the next one?
# - it will be about as high :: On twelve real videos J goes from 0.16 up, at a mean of 0.71. Clips differ far more than that.
# + little, before many clips are scored :: One clip is one clip. How to compare fairly, and how large the error of a mean is, is
#   told in notebook 10.
# - the method has been fitted to this clip :: One set of options serves all clips. A high score has simpler causes: a clear
#   motion, sharp edges, a good flow.

# %% [markdown]
# ## What to take along
#
# - One call, `ikebook.segment(clip, flow)`, goes from motion to masks. Nothing in it has been trained.
# - The object is an eigenvector: the strongest cluster of a graph whose nodes are all pixels of all frames.
# - Solutions of all exercises are in the folder `solutions` of the repository's `notebooks`, and `ikebook lab --solutions` puts them
#   beside your own. They are worth more after a try.
#
# **Wrap-up.** A video became a graph whose nodes are all pixels of all frames (Sec. 3, Fig. 1). Motion chains and what lies along
# them went into one matrix A, and its principal eigenvector is the object (Sec. 4). Masks that people drew were looked at only
# for the score J (Sec. 6). Where the graph's edges come from, the motion chains of Section 4.1, is next:
# [01](01_flow_and_chains.ipynb).
