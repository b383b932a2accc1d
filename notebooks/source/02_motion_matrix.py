# %% [markdown]
# # 02 The motion matrix M
#
# A video is turned into a graph: each pixel is a node, and motion chains are its edges. This notebook writes that graph down
# as a matrix, looks at its signs and its eigenvalues, and finds a trap on the way.
#
# **Afterwards you will be able to**
#
# - number the pixels of a video, and find a pair of them in a matrix (02.1);
# - build M from the chains, in the paper's two ways (02.2, 02.3);
# - say from two numbers that M is *not* positive semi-definite, against what the paper says (quiz 1);
# - explain why power iteration on M never settles when chains are one frame long (02.4, quiz 3).
#
# **Takes** 0.3 minutes of computing on one core, and 0.6 GB of memory. About 45 minutes for you.
#
# **Read** Section 4.1 and Fig. 2 of the paper ([doi:10.1109/TPAMI.2021.3120228](https://doi.org/10.1109/TPAMI.2021.3120228)).
# Before: [01 Flow and chains](01_flow_and_chains.ipynb). After: [03 Features and projection](03_features_and_projection.ipynb).

# %%
from ikebook.course import check_answers, course_clip, double, figures, ikebook, np, torch

# %%
clip, flow, source = course_clip("car-roundabout")

# %% [markdown]
# That line decides what you work on: a real video where one is at hand, else a clip that comes with ikebook.
# We need it at the end. A matrix that fits on the screen takes something smaller.
#
# ## 1. A video of 1280 pixels
#
# The toy has 5 frames of 16 x 16 pixels. A disc moves over a background that moves the other way, and we know its
# optical flow exactly.

# %%
toy = ikebook.toy("disc", size="16x16", frames=5)
figures.row({f"frame {i}": frame for i, frame in enumerate(toy.clip.frames)})

# %% [markdown]
# All pixels of all frames stand in **one** line: first those of frame 0, row by row, then those of frame 1, and so on. A pixel's
# place in that line is its *node*. With m frames of h x w pixels there are n = mhw nodes, here 5 x 16 x 16 = 1280.

# %%
# NBVAL_CHECK_OUTPUT
m, h, w = toy.clip.frames.shape[:3]
nodes = np.arange(m * h * w).reshape(m, h, w)
print(f"n = {nodes.size}; the first row of frame 1 holds the nodes {nodes[1, 0, 0]} to {nodes[1, 0, -1]}")

# %% [markdown]
# > **Exercise 02.1** Which node is the pixel in column x = 3 and row y = 7 of frame 2? Work it out by hand, from h and w.
# >
# > *Hint: how many pixels come before frame 2? How many rows of it before row 7?*
# >
# > *Nearly: frames before it times h w, plus rows before it times w, plus x.*

# %% tags=["exercise"]
node = ...

# %% tags=["solution"]
node = 2 * 16 * 16 + 7 * 16 + 3

# %% tags=["check"]
check_answers("02.1", node)

# %% [markdown]
# ## 2. Chains, as a matrix
#
# From every pixel two chains go out: one follows the flow forward in time, the other backward. At each step a chain meets one
# pixel. Each meeting is worth a weight that falls with the time between the two pixels,
#
# $$k(a, b) = \exp\left(-\frac{(t_a - t_b)^2}{2\sigma^2}\right), \qquad \sigma = 4 \text{ frames},$$
#
# and after p = 15 steps we stop. (The paper gives no numbers; these are those of its authors' program.) Write the weight into row a and column b of an n x n table: that is **C**, the matrix of
# *outgoing* chains.

# %% [markdown] tags=["guess"]
# C is a table of 1280 x 1280. Where will its entries be that are not 0?
# - everywhere: all pixels of a thing move together :: Moving together is not enough. A link needs a chain that goes from the one
#   pixel to the other, and a chain meets one pixel in a frame.
# - close to the diagonal only, as neighbours go together :: Neighbours of one frame are not joined at all: a chain never meets a
#   second pixel of its own frame.
# + on slanted lines, in all blocks but the diagonal ones :: A pixel's chain meets, in each *other* frame, a pixel of nearly the
#   same row and column.

# %%
from ikebook.matrix.chains import MotionChains
from ikebook.matrix.motion import MotionMatrix, MotionOptions

chains = MotionChains(toy.flow, compute=double)
motion = MotionMatrix(chains, MotionOptions(radius=15, sigma=4.0))
C = motion.outgoing()
figures.matrices({"C": C}, frames=m)

# %% [markdown]
# **Look:** the picture falls into 5 x 5 blocks, one for each pair of frames. The blocks on the diagonal are empty, for a chain
# never meets a second pixel of its own frame. In each other block there is a slanted line: pixel a of one frame meets a
# pixel of almost the same row and column in the other. Blocks far from the diagonal are paler: more time lies between.
#
# Here is one row of C, put back into the shape of the video: all that one pixel's chains meet.

# %%
a = nodes[2, 8, 8]
met = C[a].reshape(m, h, w)
figures.row({f"frame {i}": frame for i, frame in enumerate(met)}, shared=True)

# %% [markdown]
# One pixel in each frame, and none in its own. The pixel lies on the disc, and its chains stay on the disc.
#
# ## 3. From C to M
#
# Chains have a direction; the edges of our graph have none. Algorithm 2 lets *every chain vote both ways*: a votes for b, and b
# for a. As a matrix, that is
#
# $$M = C + C^\top .$$

# %%
M = C + C.T
print("ikebook builds the same matrix:", torch.equal(M, motion.dense()))

# %% [markdown]
# The text of Section 4.1 defines M a little differently: $M_{a,b} = k(a, b)$ if *at least one* chain joins a and b. Where the
# chain from a meets b, and the chain from b meets a as well, the sum counts twice what the definition counts once.

# %%
# NBVAL_CHECK_OUTPUT
both = (C > 0) & (C.T > 0)
one = (C > 0) ^ (C.T > 0)
print(f"pairs that both their chains join: {int(both.sum()) // 2}; that only one does: {int(one.sum()) // 2}")

# %% [markdown]
# > **Exercise 02.2** Build M as Section 4.1 defines it, from C alone: `M_union`, with k(a, b) for each pair that one chain or two
# > join, and 0 elsewhere.
# >
# > *Hint: an entry of C is k(a, b) or 0, and k(a, b) = k(b, a). Of the two entries that stand across the diagonal from each
# > other, which do you want?*
# >
# > *Nearly: the larger one. `torch.maximum` takes two matrices and gives the larger of each two entries; what do you hand it
# > beside C?*

# %% tags=["exercise"]
M_union = ...

# %% tags=["solution"]
M_union = torch.maximum(C, C.T)

# %% tags=["check"]
check_answers("02.2", M_union)

# %% [markdown]
# ## 4. Move in it
#
# The same matrix as a widget. Click an entry, or move with the arrow keys: the two pixels that it joins are marked in the frames.
# Then see what another order of the nodes does: all pixels of the object first. (The order needs the true mask, which no method
# looks at.)

# %% tags=["widget"]
from ikebook.widgets import MatrixExplorer

explorer = MatrixExplorer(toy.clip, toy.flow, order="pixel")
explorer

# %% [markdown]
# The next cell does by program what a click does, and asks the widget which pixels the entry joins.

# %% tags=["widget"]
row, column = a, int(C[a].argmax())
explorer.order = "pixel"
explorer.entry = (row, column)
explorer.joined

# %% tags=["widget"]
frame, x, y = explorer.joined[0]
assert nodes[frame, y, x] == row

# %% [markdown]
# ## 5. Sparse, symmetric, not negative
#
# M has n x n entries, but each pixel has two chains only. Count what is not zero.

# %%
# NBVAL_CHECK_OUTPUT
share = float((M != 0).double().mean())
print(f"{int((M != 0).sum())} of {M.numel()} entries are not zero: {100 * share:.2f} %")
print(
    f"smallest entry {float(M.min()):.0f}, asymmetry {float((M - M.T).abs().max()):.0f}, trace {float(M.trace()):.0f}"
)

# %% [markdown]
# So M needs memory for its edges, not for its entries. How many edges can there be? That number decides what a real video costs.
#
# > **Exercise 02.3** Write a function: how many entries of **C** are not zero *at most*, in a clip of m frames of h x w pixels, with
# > chains of p steps? Mind the clip's ends.
# >
# > *Hint: k steps ahead, with k = 1, ..., p, you can go from m - k frames. How many pixels start there? And behind?*
# >
# > *Nearly: 2 (m - k) h w for each k, summed for k from 1 to the smaller one of p and m - 1.*


# %% tags=["exercise"]
def links(m, h, w, p):
    return ...


# %% tags=["solution"]
def links(m, h, w, p):
    return sum(2 * (m - k) * h * w for k in range(1, min(p, m - 1) + 1))


# %% tags=["check"]
check_answers("02.3", links)

# %% [markdown]
# ## 6. What M does to labels
#
# A *label* says how much a pixel belongs to the object: x is a vector of n numbers, one for each node. Multiply by M, and each
# pixel collects the labels of all pixels it is joined with (the *propagation step* of Algorithm 2).
#
# Start with labels in one frame only, and watch them spread along the chains.

# %% [markdown] tags=["guess"]
# All labels stand in frame 2, on the disc. Where are they after *one* multiplication by M?
# - in frames 1 and 3 :: Chains are followed for up to 15 steps, so one product reaches all five frames. With p = 1 you would be
#   right.
# - in all frames, most of them in frame 2 :: No chain joins two pixels of one frame, so nothing can stay in frame 2.
# + in all frames but frame 2 :: Each pixel collects from those that its chains meet, and these lie in other frames.

# %%
x = torch.zeros(m, h, w, dtype=torch.float64)
x[2] = torch.as_tensor(toy.clip.masks[2])
spread = (M @ x.flatten()).reshape(m, h, w)
figures.row({f"M x, frame {i}": frame for i, frame in enumerate(spread)}, shared=True)

# %% [markdown]
# **Look:** the mask has travelled to every *other* frame, and to its right place there, for the chains know where the disc went.
# Frame 2 itself is empty now: nothing joins a pixel with its own frame. The rim comes from pixels of the background
# that the disc covers, or uncovers, in between: their chains can't see through it, and run into the disc. Bright bars are pixels that
# several such chains meet, and a hole is one that none does.
#
# ## 7. The spectrum, and a claim
#
# M is symmetric, so it has n real eigenvalues. The paper says (Sec. 4.1): *"M is symmetric and semi-positive definite"*,
# which means that no eigenvalue is negative.
#
# The sum of all eigenvalues is the trace, and the trace of M is 0, as its diagonal is. If none is negative, then all are 0,
# and so is M. It can't be.

# %% [markdown] tags=["guess"]
# Some eigenvalue must be negative, then. How many of the 1280 will be?
# - one or two :: The sum has to be 0, so a few negative ones would have to be enormous. None can be larger in size than the
#   greatest.
# + more than half of them :: 745. They make up in number for what they lack in size.
# - exactly half of them :: That holds where for each eigenvalue there is its negative: a special kind of graph, which you will
#   meet below.

# %%
values = torch.linalg.eigvalsh(M)
figures.spectrum({"the eigenvalues of M": values})

# %%
# NBVAL_CHECK_OUTPUT
print(f"least {float(values[0]):.3f}, greatest {float(values[-1]):.3f}, sum {abs(float(values.sum())):.3f}")
print(f"negative: {int((values < -1e-9).sum())} of {len(values)}")

# %% [markdown]
# Does it matter? For M itself hardly: it has no negative entry, so its largest eigenvalue is also the largest in size (Perron and
# Frobenius). For the method it may: that wants the largest eigenvalue of A = PMP, which has negative entries, and a
# positive semi-definite M would have kept A from having a negative eigenvalue that is larger in size. [12](12_claims.ipynb) has one that
# has. The paper's sentence is not true, and you can see it on a real video too, where no one can build M. Only its two ends are
# computed here, from products M x.

# %%
from ikebook.solvers import theory

real = MotionMatrix(MotionChains(flow), MotionOptions())
ends = theory.motion_extremes(real, tolerance=1e-3)
print(f"{source}\nM is {real.shape[0]} x {real.shape[0]}: least {ends.least:.1f}, greatest {ends.greatest:.1f}")
assert ends.least < 0 < ends.greatest

# %% [markdown]
# ## 8. The p = 1 trap
#
# Suppose we are frugal and follow chains for one frame only: p = 1. Then M joins neighbouring frames, that is, *even frames with
# odd ones*, and nothing else. Such a graph is called **bipartite**. Compare the spectra.

# %% [markdown] tags=["guess"]
# What does the spectrum look like for p = 1?
# - as before, only smaller :: Smaller it is, for there are fewer links. But something else happens as well.
# - without negative values, as each link is between neighbours :: The trace is still 0, and so is the sum of all eigenvalues.
# + like its own mirror image, above and below 0 :: Change the sign of all labels in odd frames, and each edge joins a changed one
#   with one that is not: an eigenvector of λ becomes one of -λ.

# %%
frugal = MotionMatrix(chains, MotionOptions(radius=1)).dense()
figures.spectrum({"p = 15": values, "p = 1": torch.linalg.eigvalsh(frugal)})

# %% [markdown]
# **Look:** on the right, turn the picture upside down and nothing changes. With each eigenvalue $\lambda$ there comes
# $-\lambda$. So the largest size is reached *twice*, with both signs, and power iteration can't choose between the two: it swings. (Only
# a start without any part of one of them would not; noise is none.)

# %%
x = torch.randn(m * h * w, dtype=torch.float64, generator=torch.manual_seed(0))
history = [x / x.norm()]
for _ in range(60):
    x = frugal @ history[-1]
    history.append(x / x.norm())

# %%
one_ago = [1 - float(history[t] @ history[t - 1]) for t in range(2, 61)]
two_ago = [1 - float(history[t] @ history[t - 2]) for t in range(2, 61)]
figures.curves(
    {"from one iteration ago": one_ago, "from two iterations ago": two_ago},
    labels=("iteration", "1 - cosine"),
    log=True,
)

# %% [markdown]
# The labels come back to what they were *two* iterations ago, and never to what they were one ago. That is the trap: the
# program runs, the numbers settle down into a rhythm, and the answer depends on whether you stop after an even or an odd
# number of iterations.
#
# > **Exercise 02.4** Prove the symmetry. Find a vector `s` of n signs, +1 or -1, so that flipping the signs of M's rows *and*
# > columns by s turns M (with p = 1) into -M. As torch tensor or NumPy array.
# >
# > *Hint: an entry of M joins an even frame with an odd one. What must their two signs multiply to?*
# >
# > *Nearly: `nodes.flatten() // (h * w)` has the frame of each node, and `% 2` tells odd from even; 1 - 2 times that is +1 or
# > -1.*

# %% tags=["exercise"]
s = ...

# %% tags=["solution"]
s = 1 - 2 * (nodes.flatten() // (h * w) % 2)

# %% tags=["check"]
check_answers("02.4", s)

# %% [markdown]
# All this is about M. The method iterates A = PMP: first a projection P, then M, then P again. If each frame has a P of its own, A
# joins even frames to odd ones only, as M does: the signs s turn A into -A as well, and it swings. If one P serves the whole clip, as
# printed, it mixes even frames with odd ones, and the proof fails. Nothing forbids an eigenvalue $-\lambda_1$ then, but nothing demands
# it: on the clips that we looked at, power iteration on A settles even with p = 1, if slowly ([12](12_claims.ipynb), section 6).
#
# For M there are two ways out. Longer chains, as in the paper: with p > 1 there are edges from even frames to even frames. Or a
# *self-loop*: an edge from each pixel to itself, which adds the identity to M. It moves all eigenvalues up by 1 and leaves the
# eigenvectors as they are, so that no negative one is as large as the largest any more.

# %%
looped = MotionMatrix(chains, MotionOptions(radius=1, self_loop=1.0)).dense()
x = history[0]
for _ in range(60):
    last, x = x, looped @ x / (looped @ x).norm()
print(f"with self-loops, 1 - cosine to one iteration ago: {1 - float(x @ last):.0e}")

# %% [markdown] tags=["quiz"]
# No entry of M is negative. So no eigenvalue is, either?
# - right: positive entries make positive eigenvalues :: Take two nodes and one edge between them: the entries are 0 and 1, the
#   eigenvalues 1 and -1.
# + wrong: the trace is 0, so some are :: Eigenvalues add up to the trace. Unless all are 0, some lie above 0 and some below.
# - it depends on the video :: The diagonal of M is 0 for each video, and that is enough.
#
# For which real clip would you keep M as a table?
# + for none :: 12 frames of 208 x 112 already have 279,552 nodes, and a table 78 thousand million entries, nearly all of them 0.
#   The links are enough.
# - for short ones, as M is symmetric and half a table will do :: Half of 78 thousand million is no help. What helps is that
#   hardly any entry differs from 0.
# - for those whose camera stands still :: Chains go from each pixel of those as well, and there are as many nodes.
#
# With p = 1, power iteration on M swings between two answers. What ends that?
# - more iterations :: It goes on for ever: the two parts grow by the same factor.
# - another start :: Only a start without any part of one of the two would not swing. Noise, and anything else that you would
#   think of, has both.
# + an edge from each pixel to itself :: That adds 1 to each eigenvalue. The largest becomes larger in size than the least.

# %% [markdown]
# ## What to take along
#
# - M holds one edge for each meeting of a chain with a pixel: sparse, symmetric, never negative, with zeros on its diagonal.
# - Its trace is 0, so it has negative eigenvalues. Not positive semi-definite: A may have a negative one that is larger in size.
# - With p = 1 the graph is bipartite, and power iteration on M, or on A with one P for each frame, swings for ever. With one P for the
#   clip, as printed, nothing makes it swing.
#
# **Wrap-up.** All chains of a video went into one n x n matrix, the motion matrix M of Section 4.1: sparse, symmetric, never
# negative. It is not positive semi-definite, against what that section says, since its trace is 0. Multiplied by M, labels travel
# along the chains, which is the propagation step of Section 4.3. M alone knows what moves *together*; it does not know what is
# *special*: the background moves together as well, and is larger. For the difference we need features:
# [03](03_features_and_projection.ipynb).
