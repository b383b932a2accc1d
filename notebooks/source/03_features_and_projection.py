# %% [markdown]
# # 03 Node features and the projection P
#
# M knows which pixels move together. It does not know which of them are special. What is special about a pixel is written
# into its *features*, and a matrix P makes sure that labels can be read off from them. All of it is least squares, which
# you know already.
#
# **Afterwards you will be able to**
#
# - read a row of the feature matrix F, and say where on the chain each number comes from (quiz 2);
# - explain P x as "the best that features can say about x" (03.1, quiz 1);
# - tell the rank of P from one sum (03.2);
# - say why features are centred, and what a ridge does to a projection (03.3, 03.4, quiz 3).
#
# **Takes** 0.2 minutes of computing on one core, and 0.6 GB of memory. About 60 minutes for you.
#
# **Read** Sections 4.1 (features, Fig. 3), 4.2 and 4.3 (projection step) of the paper
# ([doi:10.1109/TPAMI.2021.3120228](https://doi.org/10.1109/TPAMI.2021.3120228)).
# Before: [02 The motion matrix](02_motion_matrix.ipynb). After: [04 The Feature-Motion matrix](04_feature_motion_matrix.ipynb).

# %%
from ikebook.course import check_answers, course_clip, double, figures, ikebook, np, torch

# %%
clip, flow, source = course_clip("car-shadow")

# %% [markdown]
# ## 1. What a pixel sees along its chain
#
# The toy of this notebook is an ellipse that turns and stretches while the background pans the other way.

# %%
toy = ikebook.toy("deforming", size="16x16", frames=5)
figures.video(toy.clip.frames)

# %% [markdown]
# The paper's first features are the optical flow itself. Follow a pixel's chain q steps forward and q steps backward, and write down
# the displacement (dx, dy) of each step. With q = 2 that makes 2 x 2q = 8 numbers for each pixel: a row of **F**, which has d = 8 columns.

# %%
from ikebook.matrix.chains import MotionChains
from ikebook.matrix.features import FeatureMatrix, FeatureOptions

chains = MotionChains(toy.flow, compute=double)
raw = FeatureMatrix(chains, FeatureOptions(displacements="steps", half_window=2, center="none"))
F = raw.dense()
print(f"F has {F.shape[0]} rows (nodes) and {F.shape[1]} columns:", ", ".join(raw.columns))

# %%
# NBVAL_CHECK_OUTPUT
m, h, w = toy.clip.frames.shape[:3]
nodes = np.arange(m * h * w).reshape(m, h, w)
for name, (x, y) in {"on the ellipse": (8, 9), "background": (2, 2)}.items():
    print(f"{name:15}", np.round(F[nodes[2, y, x]].numpy(), 1) + 0.0)

# %% [markdown]
# Two rows that could not be more different. The backward steps (the last four numbers) point the other way, as they should.
#
# Here are four of the columns of F, put back into the shape of frame 2.

# %%
columns = {name: F[nodes[2].ravel(), k].reshape(h, w) for k, name in enumerate(raw.columns[:4])}
figures.row(columns, signed=True, bar=True)

# %% [markdown]
# And as a widget: click any pixel, and see its chain with the features collected along it. The slider q lengthens the window.

# %% tags=["widget"]
from ikebook.widgets import ChainExplorer

options = ikebook.override(ikebook.preset("paper"), "features.half_window=2")
explorer = ChainExplorer(toy.clip, toy.flow, options=options, frame=2, pixel=(8, 9))
explorer

# %% tags=["widget"]
explorer.pixel = (8, 9)
assert np.allclose(list(explorer.features.values()), F[nodes[2, 9, 8]], atol=1e-4)
explorer.half_window = 3
assert len(explorer.features) == 12

# %% [markdown]
# ## 2. Labels from features: least squares
#
# Suppose somebody hands us labels y that are right on average, and terribly noisy.

# %%
from ikebook.datasets.toys import noisy_labels

y = torch.from_numpy(noisy_labels(toy.clip.masks))
figures.video(y.reshape(m, h, w), "y,", signed=True)

# %% [markdown]
# What do the features say about them? Look for the combination of columns, F w, that is closest to y:
#
# $$w^* = \mathrm{arg}\min_w \lVert y - F w \rVert^2 \quad\Longrightarrow\quad F^\top F\, w^* = F^\top y .$$
#
# > **Exercise 03.1** Compute these weights `w_best`, one for each column of F.
# >
# > *Hint: the system on the right has as many unknowns as F has columns: d equations, d weights.*
# >
# > *Nearly: `torch.linalg.solve(S, b)` solves S w = b. Here S is `F.T @ F`; what is b?*

# %% tags=["exercise"]
w_best = ...

# %% tags=["solution"]
w_best = torch.linalg.solve(F.T @ F, F.T @ y)

# %% tags=["check"]
check_answers("03.1", w_best)

# %% [markdown]
# ## 3. The projection
#
# Put the two steps, solving and multiplying by F, into one matrix. It takes y to the point of F's column space closest to it:
#
# $$P = F (F^\top F)^{-1} F^\top, \qquad P y = F w^* .$$

# %% [markdown] tags=["guess"]
# The labels y were the mask under heavy noise. What will P y look like?
# - like y, smoothed over neighbouring pixels :: P knows of no neighbours. It knows eight columns, and how to mix them.
# + like the ellipse, with hardly any noise :: The ellipse moves as a whole, so columns of F can say it. Noise of 1280 numbers
#   can't be said with eight weights.
# - empty, as noise averages to 0 :: The noise nearly does, the mask in y does not: it is a sum of columns, or near to one.

# %%
from ikebook.matrix.projection import Projection

P = Projection(raw).dense()
figures.video((P @ y).reshape(m, h, w), "P y,", signed=True)

# %% [markdown]
# **Look:** noise went in, and the ellipse comes out. 1280 noisy numbers had to be explained by 8 weights. Of pure noise, d weights explain
# d parts in n on average (of its squared length): here 8 in 1280. How near each is to the true mask, as a cosine:

# %%
mask = torch.as_tensor(toy.clip.masks).flatten().double()
cosine = torch.nn.functional.cosine_similarity
figures.bars(
    {"y, noisy": float(cosine(y, mask, 0)), "P y": float(cosine(P @ y, mask, 0))}, label="cosine to the true mask"
)

# %%
# NBVAL_CHECK_OUTPUT
for name, x in {"noise": y - mask, "mask": mask}.items():
    print(f"P keeps {float((P @ x).square().sum() / x.square().sum()):.1%} of the squared length of the {name}")
print(f"of noise {F.shape[1] / len(F):.1%} on average")

# %% [markdown]
# Projecting a second time changes nothing: what lies in the column space stays where it is. So $P^2 = P$, and every eigenvalue of P
# is 1 (in the column space) or 0 (at right angles to it).

# %%
# NBVAL_CHECK_OUTPUT
values = torch.linalg.eigvalsh(P)
print(f"P is symmetric: {torch.allclose(P, P.T)}, P P = P: {torch.allclose(P @ P, P)}")
print(f"eigenvalues near 1: {int((values > 0.5).sum())}, near 0: {int((values < 0.5).sum())}")

# %% [markdown]
# And P has negative entries, plenty of them. Keep this in mind: in [12](12_claims.ipynb) it will matter that the paper says otherwise.

# %%
figures.matrices({"P": P, "P, entries below 0": P.clamp(max=0)}, frames=m, zoom=8)

# %% [markdown]
# ## 4. Rank
#
# Now the toy "disc" of notebook 02. Its disc and its background move at constant speeds, so that following a chain for a
# second step tells nothing new: columns of F depend on each other, F'F has no inverse, and the pseudo-inverse takes its place.

# %%
disc = ikebook.toy("disc", size="16x16", frames=5)
disc_chains = MotionChains(disc.flow, compute=double)
disc_features = FeatureMatrix(disc_chains, FeatureOptions(displacements="steps", half_window=2, center="none"))
P_disc = Projection(disc_features).dense()
print("columns of F:", disc_features.shape[1])

# %% [markdown]
# > **Exercise 03.2** What is the rank of `P_disc`? Do not ask torch for a rank: one sum over entries of `P_disc` is enough.
# >
# > *Hint: the rank counts the eigenvalues that are 1; all others are 0. Which sum of entries is the sum of the eigenvalues?*
# >
# > *Nearly: eigenvalues add up to the *trace*, the sum of the diagonal, and a tensor has a method of that name.*

# %% tags=["exercise"]
rank = ...

# %% tags=["solution"]
rank = P_disc.trace()

# %% tags=["check"]
check_answers("03.2", rank)

# %% [markdown]
# ## 5. Why features are centred
#
# The object will be the principal eigenvector of A = PMP: of all labels that the features allow, those that collect the most votes.
# But if everybody votes for everybody, the most votes go to a vector that says *yes to all pixels*. If F allows a constant
# vector, one that is not far from it tends to win.
#
# A *bias*, a column of ones as in any linear regression, allows it. Compare with features whose mean has been taken off.

# %%
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.motion import MotionMatrix

motion = MotionMatrix(chains)
kinds = {"with a bias": {"bias": True, "center": "none"}, "centred": {"center": "frame"}}
leading = {}
for name, choice in kinds.items():
    features = FeatureMatrix(chains, FeatureOptions(displacements="steps", half_window=2, **choice))
    A = FeatureMotion(motion, Projection(features)).dense()
    leading[name] = torch.linalg.eigh(A).eigenvectors[:, -1]

# %% [markdown] tags=["guess"]
# For which features will object and background have *opposite signs* in the leading eigenvector?
# - with a bias, as there are more columns :: The bias allows labels that are positive everywhere, and those collect the most
#   votes.
# + for the centred ones :: Each column sums to 0 over a frame, and so do all labels made of them. So they need both signs.
# - for both, as eigenvectors are orthogonal :: Eigenvectors of one matrix are orthogonal to each other. With a bias the constant
#   is none of them, so nothing makes the leading one cross 0.

# %%
signed = {name: v * torch.sign(v @ mask) for name, v in leading.items()}
pictures = {f"{name}, frame {i}": v.reshape(m, h, w)[i] for name, v in signed.items() for i in (0, 2, 4)}
figures.row(pictures, signed=True, shared=True)

# %%
# NBVAL_CHECK_OUTPUT
ones = torch.ones(m * h * w, dtype=torch.float64)
for name, v in signed.items():
    print(
        f"{name:11}: cosine to the constant {abs(float(cosine(v, ones, 0))):.2f}, to the mask {float(cosine(v, mask, 0)):.2f}"
    )

# %% [markdown]
# **Look:** with a bias all pixels are red, the object only a little more so. Centred, background and object have opposite
# signs. That is why ikebook subtracts from each column its mean over each frame (`center="frame"`).
#
# > **Exercise 03.3** Centre F yourself: `F_centred`, where each column has the mean 0 over the pixels of *each frame*.
# >
# > *Hint: every frame has a mean of its own. In which shape of F is "over the pixels of a frame" a single axis?*
# >
# > *Nearly: `F.reshape(m, h * w, -1)`, less its `.mean(1, keepdim=True)`, in the shape of F again.*

# %% tags=["exercise"]
F_centred = ...

# %% tags=["solution"]
by_frame = F.reshape(m, h * w, -1)
F_centred = (by_frame - by_frame.mean(1, keepdim=True)).reshape(F.shape)

# %% tags=["check"]
check_answers("03.3", F_centred)

# %% [markdown]
# ## 6. Ridge
#
# When columns nearly depend on each other, the inverse of F'F has huge entries, and rounding errors with it. The paper speaks of *ridge
# regression*: add a small $\rho$ to the diagonal,
#
# $$P_\rho = F (F^\top F + \rho I)^{-1} F^\top .$$
#
# > **Exercise 03.4** Build `P_ridge`, with F as above (not centred) and rho = 10.
# >
# > *Hint: it is the formula of P with one term more, on the diagonal of F'F.*
# >
# > *Nearly: `torch.linalg.inv(S)`, with S = F'F and 10 times the identity added, between `F @` and `@ F.T`;
# > `torch.eye(F.shape[1], dtype=F.dtype)` is the identity.*

# %% tags=["exercise"]
P_ridge = ...

# %% tags=["solution"]
P_ridge = F @ torch.linalg.inv(F.T @ F + 10 * torch.eye(F.shape[1], dtype=F.dtype)) @ F.T

# %% tags=["check"]
check_answers("03.4", P_ridge)

# %% [markdown]
# A direction of the column space in which F has the squared length D is now multiplied by $D / (D + \rho)$ instead of 1. Strong
# directions hardly notice; weak ones fade. So $P_\rho$ shrinks, and is *no projection* any more.

# %% [markdown] tags=["guess"]
# As ρ grows, which directions of the column space lose the most?
# - the strong ones, as there is more to lose :: A strong direction has a large D, and D / (D + ρ) stays near 1.
# + the weak ones :: Where D is small against ρ, D / (D + ρ) is nearly 0. It is these that made the inverse blow up.
# - all of them alike :: Then P would only get another scale, and a ridge would do nothing.

# %%
from ikebook.matrix.projection import ProjectionOptions
from ikebook.solvers import theory

rhos = [0, 0.1, 1, 10, 100]
shrunk = {f"rho = {rho:g}": theory.shrinkage(Projection(raw, ProjectionOptions(ridge=rho))) for rho in rhos}
figures.curves(shrunk, labels=("direction, from the strongest down", "eigenvalue of P with ridge"))

# %% [markdown]
# ## 7. One projection, or one for each frame
#
# The paper prints one P for the whole video. The authors' program solves one regression for each frame (`scope="frame"`): then
# the weights may differ from frame to frame, and P falls into blocks.

# %% [markdown] tags=["guess"]
# One P for the clip has rank 8, one for each column. What rank will P have with one regression for each of the five frames?
# - 8, as F has the same columns :: It has, but each frame may mix them with weights of its own.
# + 25 :: Up to 8 for each frame. Near the clip's ends chains are short, and columns repeat each other there.
# - 40, which is 5 times 8 :: That is what it could be at most. At the clip's ends, columns repeat each other.

# %%
scopes = {scope: Projection(raw, ProjectionOptions(scope=scope)).dense() for scope in ("video", "frame")}
print({scope: f"rank {float(each.trace()):.0f}" for scope, each in scopes.items()})
figures.matrices({f'scope="{scope}"': each for scope, each in scopes.items()}, frames=m, zoom=8)

# %% [markdown]
# With more freedom more noise gets through: one regression a frame makes the rank three times as large here. (Not five times 8: near
# the clip's ends chains are short, and columns repeat each other.)
#
# ## 8. A real video
#
# For a real video no one can build P, and no one needs to: P x is a regression, d sums over all pixels. Let us feed it pure noise,
# once with displacements as features (`preset("paper")`) and once with ikebook's own, the *motion saliency* (how far a pixel moves
# against the frame's dominant motion).
#
# The noise has the mean 0, and that matters: displacements are not centred, so P leaves much of a constant, and of noise between 0 and 1
# the picture would show what P makes of its mean, 0.5, and hardly anything of the noise. The lengths below tell.

# %%
noise = torch.rand(len(clip) * clip.size[0] * clip.size[1], generator=torch.manual_seed(0)) - 0.5
constant = torch.full_like(noise, 0.5)
projected = {}
for name, chosen in {"displacements": "paper", "saliency": "default"}.items():
    matrix = ikebook.build(clip, flow, options=ikebook.preset(chosen))
    P = matrix.projection
    projected[name] = (P @ noise).reshape(len(clip), *clip.size[::-1])
    print(f"{name}: |P noise| = {float((P @ noise).norm()):.2f}, |P 0.5| = {float((P @ constant).norm()):.2f}")

# %% [markdown] tags=["guess"]
# Pure noise goes into P of a real video. With the *saliency* as features, what comes out?
# - noise, a little weaker :: Hardly any of it can be said by d columns.
# - nothing :: Little, but not nothing: d parts in n of it, on average.
# + a picture of what moves differently :: P x is always a mixture of columns of F, whatever x is. And these columns are saliency.

# %%
print(source)
middle = len(clip) // 2
images = {"frame": clip.frames[middle]} | {f"P noise: {name}": each[middle] for name, each in projected.items()}
figures.row(images, signed=True)

# %% [markdown]
# **Look:** little of the noise comes through, d parts in n of it, and only what the features can express. With displacements that is every motion there is,
# the camera's among them; with the saliency it is what moves *differently*. Which colour is which side has no
# meaning here, for noise knows no sides. Choosing among all that can be expressed is the task of M.

# %% [markdown] tags=["quiz"]
# P has been applied to x. What does a second P change?
# + nothing :: P x lies in the column space already, and is its own best prediction: P P = P.
# - noise gets smaller again :: What was left of it lies in the column space, and stays.
# - labels shrink again :: That is what a ridge does. A projection leaves the column space as it is.
#
# In a pixel's row of F, dx[+1] is 0.6 and dx[-1] is -0.6. What does it do?
# - it goes to the right and back again :: dx[-1] leads *back* in time. Where it is negative, the pixel was farther left a frame
#   ago.
# + it moves to the right, 0.6 pixels a frame :: A step ahead leads to the right, a step back in time to the left.
# - it rests, as the two add up to 0 :: There and back adds up to 0 for every motion that flow sees in the same way from both
#   sides.
#
# Why are the columns of F centred?
# + or else "yes to all pixels" may win :: If everybody votes for everybody, the constant collects the most votes. Centred columns
#   can't say it.
# - or else F'F would be singular :: Dependent columns make it singular, and centring does not cure that.
# - so that labels have length 1 :: Length is set by dividing by it. That has nothing to do with means.

# %% [markdown]
# ## What to take along
#
# - F holds, for each pixel, what lies along its chain. P x is the best that F can say about x, by least squares.
# - The trace of P is its rank. A ridge shrinks P, and it is a projection no more.
# - Where features allow a constant, "everything" is apt to be the strongest object of all. So they are centred.
#
# **Wrap-up.** Each node has a row of features, collected along its chain, in the matrix F (Sec. 4.1, Fig. 3). Labels are asked to
# be a linear function of these, x = Px (Sec. 4.2), and P takes any x to the nearest such labels by least squares, the projection
# step of Section 4.3. That section speaks of ridge regression, its formula has none, and with a ridge P is no projector. Now P
# and M come together, in the A = PMP of Section 4.2: [04](04_feature_motion_matrix.ipynb).
