# %% [markdown]
# # 06 Never build the matrix
#
# A short video in small format has some 280,000 pixels, and its matrix A some 80 thousand million entries. This notebook multiplies with
# that matrix without having it, and then finds all its eigenvalues (but 0) from tables of 7 x 7 numbers.
#
# **Afterwards you will be able to**
#
# - say what a dense A of a video would cost, and why nobody needs it (06.1);
# - multiply by M with two lines of index arithmetic, and avoid the classic mistake in them (06.2, quiz 1);
# - multiply by P by putting the brackets in the right place (06.3, quiz 2);
# - bring an n x n eigenproblem down to d x d: exactly, but for rounding (06.4, quiz 3).
#
# **Takes** 0.2 minutes of computing on one core, and 0.6 GB of memory. About 60 minutes for you.
#
# **Read** Sections 4.3, 4.4 and 4.5 of the paper ([doi:10.1109/TPAMI.2021.3120228](https://doi.org/10.1109/TPAMI.2021.3120228)).
# Before: [05 Power iteration](05_power_iteration.ipynb). After: [07 The Network Module](07_network_module.ipynb).

# %%
import scipy.linalg

from ikebook.course import check_answers, course_clip, double, figures, ikebook, np, torch

# %%
clip, flow, source = course_clip("blackswan", frames=12, size=(208, 112))

# %% [markdown]
# ## 1. What it would cost
#
# In notebook [04](04_feature_motion_matrix.ipynb) A had 1280 x 1280 entries. Here it has one row for each pixel of this clip. Ask for its entries:

# %%
from ikebook.base.check import InputError
from ikebook.graph.graph_module import build
from ikebook.graph.presets import preset

print(source)
graph = preset("saliency")  # as in notebook 04
A = build(clip, flow, options=graph)
try:
    A.dense()
except InputError as error:
    print(error)

# %% [markdown]
# The library refuses, and says why. And this is a clip of 12 frames in half format.
#
# > **Exercise 06.1** Write `dense_bytes(m, h, w)`: how many bytes do all entries of A take, for m frames of h x w pixels, with 4 bytes for each entry (float32)?
# >
# > *Hint: a matrix of n rows has n columns, too.*
# >
# > *Nearly: n = m h w; then 4 bytes for each of n times n entries.*


# %% tags=["exercise"]
def dense_bytes(m, h, w):
    return ...


# %% tags=["solution"]
def dense_bytes(m, h, w):
    n = m * h * w
    return 4 * n * n


# %% tags=["check"]
check_answers("06.1", dense_bytes)

# %% [markdown]
# What does one need instead? Each node has two chains of at most p = 15 steps, so C has 2pn entries at most; and F has n rows of d = 7 numbers.
# Here are the numbers that have to be kept, for clips of 208 x 112 pixels and more and more frames. Mind the scale.

# %% [markdown] tags=["guess"]
# Twice as many frames. How much more is there to keep?
# - twice as much, of A as of the links :: Of links and of F, yes. But A has a row *and* a column for each node.
# + twice as many links, and four times as much of A :: A has n times n entries, the links are some 30 a node.
# - four times as much of both :: A node has two chains of 15 steps, however long the video is.

# %%
frames = np.arange(2, 51, 4)
n = frames * 112.0 * 208
kept = {"A, dense": n * n, "the links of C": 2 * 15 * n, "F": 7 * n}
figures.curves(kept, x=frames, labels=("frames", "numbers"), log=True)

# %% [markdown]
# The dense matrix grows with the *square* of the video's length. Everything else grows with the length.
#
# ## 2. Mx from a list of links
#
# Algorithms that look for eigenvectors never ask for an entry of A. They ask only for products Ax. So it is enough to know what A *does*, and we
# take it factor by factor: $A x = P(M(Px))$.
#
# First M = C + C'. A toy again: C as three lists, with one line for each link. The chain from pixel `a` meets pixel `b`, with weight `k`.

# %%
toy = ikebook.toy("disc", size="16x16", frames=8)
small = build(toy.clip, toy.flow, options=graph, compute=double)
C = small.motion.outgoing()
a, b = C.nonzero(as_tuple=True)
k = C[a, b]
print(
    f"C is {C.shape[0]} x {C.shape[1]}; {len(a)} of its {C.numel()} entries are links: {100 * len(a) / C.numel():.2f} %"
)

# %% [markdown]
# To multiply by C, each pixel **gathers**: $y_a = \sum_b k_{ab} x_b$. To multiply by C' it **casts its vote** where its chains lead: $y_b = \sum_a k_{ab} x_a$.
#
# > **Exercise 06.2** Write `propagate(a, b, k, x)`: the product Mx with M = C + C', from the three lists and x. Nothing of n x n entries may arise.
# >
# > *Hint: many links share the same a, and many the same b. `y[b] += ...` is wrong then, and says nothing: of several votes for
# > one pixel it keeps only one. Look up `index_add_` of torch.*
# >
# > *Nearly: begin with zeros in x's shape, and let `y.index_add_(0, a, k * x[b])` gather; for the votes exchange a and b.*


# %% tags=["exercise"]
def propagate(a, b, k, x):
    return ...


# %% tags=["solution"]
def propagate(a, b, k, x):
    y = torch.zeros_like(x)
    y.index_add_(0, a, k * x[b])
    y.index_add_(0, b, k * x[a])
    return y


# %% tags=["check"]
check_answers("06.2", propagate)

# %% [markdown]
# How much goes lost with `y[b] += ...`? Every vote but one, wherever several chains end in the same pixel. Count how many chains arrive where:

# %% [markdown] tags=["guess"]
# The toy has eight frames. How many links arrive at an ordinary pixel, somewhere on the background?
# - 2, one from each of its two chains :: Two chains *leave* a pixel. Those that arrive have begun elsewhere.
# + 7, one from each other frame :: In each other frame there is, as a rule, one pixel whose chain leads here.
# - 15, as chains have 15 steps :: They could have. The clip ends before.

# %%
arriving = torch.bincount(b, minlength=len(C)).reshape(8, 16, 16)
figures.row({f"links that arrive in frame {i}": arriving[i] for i in (0, 3, 7)}, shared=True, bar=True)

# %% [markdown]
# **Look:** most pixels are met by one chain from each other frame, seven in all. Along some sides of the frame fewer arrive, as chains have left it before. Where the disc covers or uncovers the background, some are met by many and others by none.
#
# ikebook does not even keep the lists. It follows the chains again in each product, a few frames at a time, and forgets them. So it needs memory for
# some p frames, however long the video is.
#
# ## 3. Px by brackets
#
# P is a dense n x n matrix: $P = F (F^\top F)^{-1} F^\top$. But
#
# $$P x = F \, \Big( (F^\top F)^{-1} \, \big( F^\top x \big) \Big) .$$
#
# Read it from the right. $F^\top x$ has d numbers. A d x d system gives d weights, those of the *best prediction of x from the features*. And F times
# these is the prediction. No step has more than dn entries.
#
# > **Exercise 06.3** Write `project(F, x)`: the product Px from F (n x d) and x, again without anything of n x n entries.
# >
# > *Hint: `torch.linalg.solve(S, y)` solves Sw = y, and is better than the inverse. In `F @ G @ F.T @ x` Python multiplies from
# > the left!*
# >
# > *Nearly: weights from `torch.linalg.solve`, with F'F on the left and F'x on the right; then F times these.*


# %% tags=["exercise"]
def project(F, x):
    return ...


# %% tags=["solution"]
def project(F, x):
    w = torch.linalg.solve(F.T @ F, F.T @ x)
    return F @ w


# %% tags=["check"]
check_answers("06.3", project)

# %% [markdown]
# ## 4. Is it the same?
#
# On the toy both ways can be had. `dense()` and `@` are separate evaluations of one definition; ikebook's tests hold them together for every combination of
# options.

# %%
# NBVAL_CHECK_OUTPUT
from ikebook.solvers.power import start_labels

x = start_labels("uniform", 8, (16, 16), dtype=torch.float64)
for name, operator in {"M": small.motion, "P": small.projection}.items():
    built = operator.dense() @ x
    print(
        f"{name}: the two products differ by less than 1e-12: {bool((built - operator @ x).norm() < 1e-12 * built.norm())}"
    )

# %% [markdown]
# And on the real clip a product takes no time worth mentioning:

# %% [markdown] tags=["guess"]
# Which product takes longer here, M x or P x?
# - P x, as P is a full matrix :: But it is not used as one: d sums over all pixels, and back. The brackets do it.
# - P x, as the paper says that it dominates :: In d, and if F'F is computed anew each time. Here d is 7.
# + M x :: It follows the chains, some 30 links a node, and reads memory here and there. P x reads seven columns from end to end.

# %%
import time

x = start_labels("uniform", len(clip), clip.size)
for name, operator in {"M x": A.motion, "P x": A.projection, "A x": A}.items():
    operator @ x  # once, so that what is kept between products is there
    begin = time.perf_counter()
    operator @ x
    print(f"{name}: {1000 * (time.perf_counter() - begin):.0f} ms for {operator.shape[0]} nodes")

# %% [markdown]
# The paper counts $O(np)$ for M and $O(d^2 n)$ for P, and says that the second "asymptotically dominates". In n both are linear, so it is a matter of d and p. Count
# multiplications for each node: with M, each of 2p links votes both ways; with P, $d^2$ for $F^\top F$ and 2d for the rest.

# %%
# NBVAL_CHECK_OUTPUT
for d in (7, 27, 100):
    print(f"d = {d:3}: M takes {4 * 15}, P {d * d + 2 * d}, and P with F'F from before {2 * d}")

# %% [markdown]
# $F^\top F$ does not change from iteration to iteration. Computed once, as everybody does, the projection costs 2d, and only large d make it
# the dearer of the two. And multiplications are cheap; what a product waits for is memory, where a gather jumps about. So trust the clock above more than any formula.
#
# ## 5. The whole spectrum from a d x d table
#
# Now a step that the paper does not take. Every eigenvector of A = PMP with an eigenvalue other than 0 lies in the span of F, since $x = \tfrac1\lambda P(MPx)$.
# So x = Fw, with only d unknown weights. Put it in and multiply by $F^\top$ from the left (P leaves F as it is):
#
# $$P M P\, F w = \lambda F w \quad\Longrightarrow\quad \underbrace{F^\top M F}_{B}\; w = \lambda\, \underbrace{F^\top F}_{G}\; w .$$
#
# B and G are d x d. `reduce` sums both in one pass over the video.

# %%
from ikebook.solvers.reduced import reduce

reduced = reduce(small.motion, small.features)
G, B = reduced.gram, reduced.motion
figures.matrices({"G = F'F": G, "B = F'MF": B})

# %% [markdown]
# Two tables of 7 x 7 numbers, and in them the whole spectrum of a matrix of 2048 x 2048: seven eigenvalues, the others are 0. (For the
# vectors one needs F as well.)
#
# One care: where columns of F are dependent, or nearly so, G is singular, or nearly so, and what is divided by is rounding. The
# condition number of G is the *square* of F's. So ikebook's `exact` does not solve this problem as it stands: it first finds combinations
# of the columns that are about orthogonal, from a few frames, sums the tables for those, and leaves out, by name, what is dependent
# (`exact(A).condition`, `exact(A).dropped`). The tables above are the textbook's way, and good enough for this toy.
#
# > **Exercise 06.4** Write `principal(G, B)`, which returns the largest $\lambda$ of $Bw = \lambda Gw$ and its w, as a pair.
# >
# > *Hint: which of the two matrices belongs to λ, and in which order do eigenvalues come out of `scipy.linalg.eigh`?*
# >
# > *Nearly: `scipy.linalg.eigh(B, G)` gives values in increasing order and vectors as columns; return the last of each.*


# %% tags=["exercise"]
def principal(G, B):
    return ...


# %% tags=["solution"]
def principal(G, B):
    values, weights = scipy.linalg.eigh(B, G)
    return values[-1], weights[:, -1]


# %% tags=["check"]
check_answers("06.4", principal)

# %% [markdown]
# x = Fw turns the weights into labels. Compare them with what power iteration finds:

# %%
from ikebook.solvers.power import power_iteration

values, weights = scipy.linalg.eigh(B, G)
x = small.features @ torch.from_numpy(weights[:, -1].copy())
slow = power_iteration(small, start_labels("uniform", 8, (16, 16), dtype=torch.float64))
cosine = abs(float(x @ slow.vectors[0]) / float(x.norm()))
both = {f"F w, lambda = {values[-1]:.6f}": x, f"power iteration, lambda = {float(slow.values[0]):.6f}": slow.vectors[0]}
shown = {name: labels * labels[labels.abs().argmax()].sign() for name, labels in both.items()}
figures.row(
    {"frame 4": toy.clip.frames[4], **{name: x.reshape(8, 16, 16)[4] for name, x in shown.items()}}, signed=True
)

# %%
# NBVAL_CHECK_OUTPUT
print(f"1 - cosine below 1e-9: {1 - cosine < 1e-9}")

# %% [markdown]
# (Length and sign of an eigenvector are free; the picture shows both with their largest label positive.) It is the same answer, from *one* pass of M over the d columns of F instead of one over x in each iteration. On the clip from the top:

# %%
from ikebook.solvers.exact import exact
from ikebook.solvers.pairs import SolverOptions

begin = time.perf_counter()
pairs = exact(A, SolverOptions(pairs=7))
middle = time.perf_counter()
iterated = power_iteration(A, start_labels("uniform", len(clip), clip.size))
end = time.perf_counter()
for found, seconds in ((pairs, middle - begin), (iterated, end - middle)):
    print(f"{found.method}: {len(found.values)} eigenpairs, M applied to {found.products} vectors, {seconds:.2f} s")
assert abs(float(pairs.vectors[0].double() @ iterated.vectors[0].double())) > 0.9999

# %% [markdown]
# So ikebook solves at once where the paper iterates, and knows d eigenvalues where the paper knows one. (It lists the positive ones, which
# are asked for, unless you say `which="SA"` or `"LM"`; all of them are in `pairs.spectrum`.) The idea is an old one: locality preserving
# projections (He and Niyogi 2003) solve the same kind of problem for other graphs.
#
# ## 6. The spectrum of a real video
#
# In Fig. 8 the paper shows six eigenvalues, of a clip shrunk to 16 x 16 pixels and 5 frames, as the matrix had to be built. We need not shrink anything. To have more to look at,
# displacements join the features: 2 numbers for each of 5 steps ahead and 5 behind. So d = 7 + 20.

# %% [markdown] tags=["guess"]
# Twenty more features come in: displacements along the chains. What happens to λ₂ / λ₁?
# + it grows :: There are more ways now to agree along the chains, the camera's motion among them. The second eigenvalue comes
#   nearer to the first.
# - it falls, as more is known :: More can be said, that is true. But what has to be told apart has become more, too.
# - it stays, as the video is the same :: M is the same. A = PMP changes with P.

# %%
from ikebook.graph.presets import override

rich = override(graph, "features.displacements=steps")
wide = build(clip, flow, options=rich)
everything = exact(wide, SolverOptions(pairs=100))
figures.spectrum(
    {"saliency, d = 7": pairs.spectrum, "saliency and displacements, d = 27": everything.spectrum}, bars=True
)

# %%
ratio = {name: float(found.values[1] / found.values[0]) for name, found in (("d = 7", pairs), ("d = 27", everything))}
print("lambda_2 / lambda_1:", {name: round(value, 2) for name, value in ratio.items()})
middle = len(clip) // 2
figures.row({f"eigenvector {i + 1}": everything.volumes[i][middle] for i in range(4)}, signed=True)

# %% [markdown]
# **Look:** on the left one eigenvalue stands out. On the right others come nearer to it: displacements bring in more that stays the same along the chains, such as moving water (of *blackswan*), shades of motion around the object, and slow
# changes across the frame, which are the camera's. (Red and blue may be exchanged: an eigenvector has no sign.) The eigengap closes, and with it go the safety against noise and, as no negative one is as large, the speed of power iteration.
#
# Choose eigenvectors, or mix them with the sliders.

# %% tags=["widget"]
from ikebook.widgets import SpectrumExplorer

explorer = SpectrumExplorer(clip, flow, options=graph)
explorer

# %% tags=["widget"]
explorer.selected = 1
print(f"eigenvalues {[round(value, 2) for value in explorer.values]}, gap {explorer.gap:.2f}")
assert explorer.weights[:2] == [0.0, 1.0]

# %% [markdown]
# How safe is the first one? Shake the flow, and see how far it turns. The bound is Davis and Kahan's, $2|E| / (\lambda_1 - \lambda_2)$, for a change E of A, with $\lambda_2$ the next eigenvalue, or 0; the paper's figure for it (Sec. 7.4) is another, $8 |E|_F / |A|_F$, which knows no gap and can be had on toys only.
# (Here a toy, where that takes a second. On the clip above it is a matter of a minute: |E| needs many products.)

# %% tags=["widget"]
tiny = ikebook.toy("disc", size="16x16", frames=5)
shaken = SpectrumExplorer(tiny.clip, tiny.flow, options=graph)
shaken

# %% tags=["widget"]
shaken.noise = 0.2
shaken.wait()
print(f"sin of the angle {shaken.moved:.3f}; the bound {shaken.bound:.3f}; the paper's figure {shaken.printed:.3f}")
assert 0 < shaken.moved <= shaken.bound

# %% [markdown]
# ## 7. Videos of any length
#
# G and B are sums over frames. So halves of a video can be worked on one after the other, or on two machines, and their tables added:

# %%
halves = [reduce(A.motion, A.features, part) for part in (range(6), range(6, len(clip)))]
added, whole = halves[0] + halves[1], reduce(A.motion, A.features)
for name in ("gram", "motion"):
    one, two = getattr(added, name), getattr(whole, name)
    print(f"{name}: the sum of the halves differs by {float((one - two).norm() / two.norm()):.0e}")
    assert torch.allclose(one, two, rtol=1e-4, atol=1e-4 * float(two.abs().max()))

# %% [markdown]
# (Each half looks at some frames of the other one, where chains lead.) That is how `ikebook segment` works through a video that does not fit into memory.

# %% [markdown] tags=["quiz"]
# What is wrong with `y[b] += k * x[a]`?
# - it is slow :: It is fast, and wrong.
# + where several links end in one pixel, only one counts :: All are read before any is written. `index_add_` adds them up.
# - it changes x :: Only y is written.
#
# Why put brackets into F ((F'F)⁻¹ (F'x))?
# - without them the result is another :: Multiplication of matrices is associative: it is the same, but for rounding.
# + so that nothing larger than F ever arises :: From the right: d numbers, d numbers, n numbers. From the left there would be an
#   n x n table.
# - to spare the inverse :: It has d x d entries and costs next to nothing.
#
# A has 280,000 rows, F has 7 columns. How many eigenvalues of A differ from 0?
# + 7 at most :: Their eigenvectors lie in the span of F, which has 7 dimensions at most.
# - 280,000, as A is symmetric :: It has so many eigenvalues, but nearly all of them are 0.
# - one: the object's :: That is the largest. Others follow, and how near decides how stable it is.

# %% [markdown]
# ## What to take along
#
# - Eigenvectors need products, not entries; A is three products, each with a cost that grows with the video's length and no faster.
# - `y[b] += v` loses votes; `index_add_` does not.
# - With x = Fw the n x n problem becomes a d x d one: exactly, but for rounding, which grows with F's condition number. It gives the whole
#   spectrum of a real video, from one pass.
#
# **Wrap-up.** Section 4.3 multiplies by A without having it: M by following chains, P by a small regression, at the cost that
# Sections 4.4 and 4.5 count. We went one step farther than the paper: with x = Fw the eigenproblem of Eq. 1 becomes one of d x d
# tables, which are sums over frames. The graph is done, but all it knows is motion. What is to be seen in a single picture it
# leaves to the network of Section 5: [07](07_network_module.ipynb).
