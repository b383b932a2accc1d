# %% [markdown]
# # 05 Power iteration
#
# The object is the principal eigenvector of A = PMP. This notebook finds it with nothing but multiplications, one step after
# the other. You will paint nonsense into a video as a start, and watch the same object come back.
#
# **Afterwards you will be able to**
#
# - write Algorithm 2 in three lines, and say what each of them does to a picture (05.1);
# - tell from one number how far an iteration still has to go (05.3, quiz 2);
# - predict from two eigenvalues how many iterations that takes (05.2, quiz 1);
# - say which starts never arrive, and why they do so all the same on a computer (05.4, quiz 3).
#
# **Takes** 0.3 minutes of computing on one core, and 1.1 GB of memory. About 60 minutes for you.
#
# **Read** Sections 4.3, 4.4 and 7.1, Algorithm 2, Figs. 5 and 6 of the paper
# ([doi:10.1109/TPAMI.2021.3120228](https://doi.org/10.1109/TPAMI.2021.3120228)).
# Before: [04 The Feature-Motion matrix](04_feature_motion_matrix.ipynb). After: [06 Never build the matrix](06_never_build_the_matrix.ipynb).

# %%
from ikebook.course import check_answers, course_clip, double, figures, ikebook, np, torch

# %%
clip, flow, source = course_clip("car-shadow", frames=12, size=(208, 112))

# %% [markdown]
# That clip waits until section 5. First the toy, on which every matrix can be built: 5 frames of 16 x 16 pixels, a disc that
# moves over a background that moves the other way.
#
# ## 1. What we are looking for
#
# The best labels are those that agree along the motion chains and can be said by the features (Eq. 1):
#
# $$x^* = \mathrm{arg}\max_x \; x^\top A\, x \quad \text{with } |x| = 1, \qquad A = PMP .$$
#
# A is symmetric, so $x^*$ is the eigenvector that belongs to its largest eigenvalue. On a toy a library function finds it, and we
# keep it to compare with.

# %%
from ikebook.graph.presets import preset
from ikebook.graph.principal import solve_graph

toy = ikebook.toy("disc", size="16x16", frames=5)
graph = preset("saliency")  # as in notebook 04
solved = solve_graph(toy.clip, toy.flow, options=graph, compute=double)
M, P = solved.matrix.motion.dense(), solved.matrix.projection.dense()
A = P @ M @ P
values, vectors = torch.linalg.eigh(A)  # in increasing order: the principal one is the last
figures.row({f"x*, frame {i}": frame for i, frame in enumerate(solved.labels())}, signed=True, shared=True)

# %% [markdown]
# **Look:** red on the disc, pale blue elsewhere. An eigenvector has no sign of its own; ikebook shows the one that is positive where
# something moves against the scene.
#
# ## 2. Three steps
#
# Now without a library function. Begin with any labels x(0), and repeat (Algorithm 2):
#
# 1. **Propagate**, $x \leftarrow Mx$: each pixel gathers the labels of all pixels on its motion chains.
# 2. **Project**, $x \leftarrow Px$: of that, keep what the features can say.
# 3. **Normalise**, $x \leftarrow x / |x|$: length 1 again, or the numbers would soon leave what a computer can hold.
#
# By hand, from noise:

# %% [markdown] tags=["guess"]
# The start is noise. After which of the three steps will the disc first be seen?
# - the first, as M follows the disc's motion :: M joins pixels along all chains alike, those of the background as well. It makes
#   noise smoother.
# + the second, as P knows the features :: What features can't say is taken away, and nearly all noise is of that kind.
# - the third, as the numbers get their right size :: Dividing by the length changes the numbers, and not the picture.

# %%
from ikebook.solvers.power import start_labels

x0 = start_labels("uniform", 5, (16, 16), dtype=torch.float64)
propagated = M @ x0
projected = P @ propagated
normalised = projected / projected.norm()
stages = {"x(0), noise": x0, "1  M x": propagated, "2  P M x": projected, "3  length 1": normalised}
figures.row({name: x.reshape(5, 16, 16)[2] for name, x in stages.items()}, signed=True, bar=True)

# %% [markdown]
# **Look** at frame 2. The noise has become smoother by propagation, as each pixel took a weighted sum along its chains. But nothing of
# the disc is to be seen yet: M doesn't know it. The *projection* brings it out, because the features do. Step 3 changes the numbers
# at the bar, and not the picture.
#
# Together the three steps are one iteration.
#
# > **Exercise 05.1** Write one iteration of Algorithm 2: from M, P and x(t-1) to x(t).
# >
# > *Hint: one line for each of the three steps, in their order. The length |x| is the Euclidean one.*
# >
# > *Nearly: `x = M @ x`, then the same with P; then return x divided by `x.norm()`.*


# %% tags=["exercise"]
def one_iteration(M, P, x):
    return ...


# %% tags=["solution"]
def one_iteration(M, P, x):
    x = M @ x
    x = P @ x
    return x / x.norm()


# %% tags=["check"]
check_answers("05.1", one_iteration)

# %% [markdown]
# Now as often as you like. Press **Next** and see the three stages follow each other, then **Play**. The curves say how near x has come.

# %% tags=["widget"]
from ikebook.widgets import PowerIterationStepper

stepper = PowerIterationStepper(toy.clip, toy.flow, options=graph, dense=True)
stepper

# %% [markdown]
# A program can press the buttons too. Three steps, and one iteration is done.

# %% tags=["widget"]
for _ in range(3):
    stepper.step()
print(stepper)

# %% tags=["widget"]
assert (stepper.iteration, stepper.stage) == (1, "normalised")
stepper.back()
assert stepper.stage == "projected"

# %% [markdown]
# ## 3. Why it works
#
# A has n orthonormal eigenvectors $v_1, v_2, \ldots$ Count them by the size of their eigenvalues, $|\lambda_1| \ge |\lambda_2| \ge \ldots$, and
# suppose that the first is positive and larger in size than all others. (It need not be: `exact(matrix).ends` has both ends of the
# spectrum, and [12](12_claims.ipynb) a case where the lower end wins.) Any x is a mixture of them, and A multiplies each part by its own
# eigenvalue:
#
# $$x = c_1 v_1 + c_2 v_2 + \ldots \quad\Longrightarrow\quad A^t x = \lambda_1^t \Big( c_1 v_1 + c_2 \big(\tfrac{\lambda_2}{\lambda_1}\big)^t v_2 + \ldots \Big) .$$
#
# Against the first part, each iteration makes every other part smaller: to $|\lambda_2| / \lambda_1$ of what it was, or less. If there is a
# first part, $c_1 \ne 0$, it wins. That is all.
#
# Algorithm 2 multiplies by PM, not by A = PMP. After the first projection that is the same: x = Px then, so PMx = PMPx = Ax.
#
# The angle between x(t) and $v_1$ tells how far there is to go. Here is its tangent, for two choices of features: motion saliency, as
# ikebook takes it, and displacements, as printed in the paper.

# %% [markdown] tags=["guess"]
# The tangent of the angle, on a *logarithmic* scale: what kind of line?
# + straight, falling :: Each iteration multiplies it by about the same factor. On a logarithmic scale that is a straight line.
# - steep at first, then flat, as little is left to do :: So it would look on an ordinary scale. As a factor, each iteration does
#   as much as the one before.
# - flat at first, then steep, as it comes on its way :: No iteration is better than the others: it is the same matrix each time.

# %%
from ikebook.solvers import theory

printed = solve_graph(toy.clip, toy.flow, options=preset("paper"), compute=double)
runs = {
    "saliency": theory.convergence(solved.matrix, x0, iterations=20),
    "displacements": theory.convergence(printed.matrix, x0, iterations=20),
}
figures.curves({name: run.tangents for name, run in runs.items()}, labels=("iteration", "tan of the angle"), log=True)

# %%
# NBVAL_CHECK_OUTPUT
for name, run in runs.items():
    print(f"{name}: times {run.rate:.2f} in each iteration; |lambda_2| / lambda_1 = {run.expected:.2f}")

# %% [markdown]
# **Look:** straight lines on a logarithmic scale, and their slopes are what the two eigenvalues foretell. So their *ratio* decides what
# the algorithm costs: the nearer $|\lambda_2|$ is to $\lambda_1$, the longer it takes. (Where the lower one is flat at the end, rounding is reached.)
#
# So here is a clip on which there is time to watch: two coins of one size, of which one goes across and the other down. Displacements tell
# them apart, and give each of them an eigenvector; and one is hardly stronger than the other.

# %%
coins = ikebook.demo(25, "104x56", scene="coins").clip
near = solve_graph(coins, options=preset("paper"), pairs=2)
first, second = near.pairs.values.tolist()
print(f"|lambda_2| / lambda_1 = {second / first:.2f}")
two = {f"eigenvector {k + 1}": near.labels(k)[12] for k in (0, 1)}
figures.row({"frame 12": coins.frames[12]} | two, signed=True)

# %% tags=["widget"]
slow = PowerIterationStepper(coins, options=preset("paper"), start="painted", pace=0.3)
slow

# %% [markdown]
# Paint one coin, press Play, and see how long its neighbour takes to get its share.
#
# > **Exercise 05.2** Write `iterations_needed(ratio, factor)`: how many iterations does it take until the tangent is at most
# > `factor` times what it was, if `ratio` is $|\lambda_2| / \lambda_1$? For example, factor = 0.001 for three digits.
# >
# > *Hint: solve ratio^t = factor for t, by taking logarithms on both sides. Iterations are whole numbers.*
# >
# > *Nearly: the quotient of `np.log(factor)` and `np.log(ratio)`, rounded up, as an `int`.*


# %% tags=["exercise"]
def iterations_needed(ratio, factor):
    return ...


# %% tags=["solution"]
def iterations_needed(ratio, factor):
    return int(np.ceil(np.log(factor) / np.log(ratio)))


# %% tags=["check"]
check_answers("05.2", iterations_needed)

# %% [markdown]
# ## 4. When to stop
#
# On a real video nobody knows $v_1$, so there is no angle to look at. But one can ask x itself. If x were an eigenvector, Ax
# would be a multiple of it. The best multiple is the **Rayleigh quotient** $\theta$, and what is left over the **residual**:
#
# $$\theta = \frac{x^\top A x}{x^\top x}, \qquad r = \frac{|Ax - \theta x|}{|\theta|\,|x|} .$$
#
# r is 0 for eigenvectors with $\lambda \ne 0$, and for nothing else. (On the null space of A it is 0/0: no residual says anything there.)
# ikebook stops when r < 0.000001, or in float32, which has not so many digits, when r < 0.000012. A fixed number of iterations, such as
# 20, is too many for one video and too few for the next.
#
# > **Exercise 05.3** Write `quality(A, x)`, which returns the pair $(\theta, r)$ of any x, not only those of length 1.
# >
# > *Hint: compute Ax once, and use it three times. Mind |x| in both formulas.*
# >
# > *Nearly: θ is `x @ Ax` over `x @ x`; r is the norm of `Ax - theta * x` over |θ| times the norm of x.*


# %% tags=["exercise"]
def quality(A, x):
    return ...


# %% tags=["solution"]
def quality(A, x):
    Ax = A @ x
    theta = (x @ Ax) / (x @ x)
    return theta, (Ax - theta * x).norm() / (theta.abs() * x.norm())


# %% tags=["check"]
check_answers("05.3", quality)

# %% [markdown]
# `power_steps` is Algorithm 2 as ikebook runs it, step by step. It measures both numbers on the way, and costs nothing more for that.

# %% [markdown] tags=["guess"]
# Which of the two errors will fall faster: that of the quotient θ, or the residual r?
# - the residual, as ikebook stops by it :: It stops by it because it is the more honest one, not because it is the faster one.
# - both alike, as they come from one x :: From one x, but one goes with the error of x, and the other with its square.
# + the quotient's, twice as many digits :: Where x is off by ε, θ is off by the order of ε², as a symmetric matrix has its
#   quotient level at an eigenvector.

# %%
from ikebook.solvers.power import power_steps

found = [state for state in power_steps(solved.matrix, x0, iterations=12) if state.step == "normalisation"]
errors = {
    "residual r": [state.residual for state in found],
    "relative error of the quotient": [abs(1 - state.value / float(values[-1])) for state in found],
}
figures.curves(errors, labels=("iteration", "error"), log=True)

# %% [markdown]
# **Look:** the quotient's error falls twice as fast, in digits, as the residual: where x is wrong by $\varepsilon$, $\theta$ is wrong by
# the order of $\varepsilon^2$. So an eigenvalue that no longer changes says less than it seems; watch the residual.
#
# ## 5. A real video, and your own start
#
# The same three steps, on the clip from the top. M and P are not built any more (that is notebook 06), but multiplied with all the same.

# %%
print(source)
real = solve_graph(clip, flow, pairs=2, options=graph)
m, h, w = clip.frames.shape[:3]
noise = start_labels("uniform", m, clip.size)
print(f"A is {m * h * w} x {m * h * w}; its two largest eigenvalues: {real.pairs.values.numpy().round(2)}")

# %% [markdown]
# This is Fig. 5 of the paper: the labels after propagation, and after projection, in iterations 1, 2, 3 and 20, from pure noise.

# %% [markdown] tags=["guess"]
# This is a real video's size, and the start is noise. When will the object begin to stand out?
# - after the first propagation :: That shows how many chains meet each pixel, and not yet what is special.
# + after the first projection :: If only by its rim. One product with P leaves nothing but what the features can say.
# - after about 20 iterations :: These are the paper's last pictures. By then nothing has changed for long.

# %%
steps = list(power_steps(real.matrix, noise, iterations=20, tolerance=0, project_start=False))
sign = torch.sign(steps[-1].labels @ real.labels().flatten())
shown = {(state.iteration, state.step): (sign * state.labels).view(m, h, w)[m // 2] for state in steps}
figures.row({f"{t}: after propagation": shown[t, "propagation"] for t in (1, 2, 3, 20)})

# %%
figures.row({f"{t}: after projection": shown[t, "projection"] for t in (1, 2, 3, 20)}, signed=True)

# %% [markdown]
# **Look:** after the *first* projection the object stands out already, if only by its rim. The first propagation shows mostly how many chains meet each pixel, as
# noise between 0 and 1 has little else to tell. From the second on it carries the object's labels through time.
#
# But noise is a fair start: it holds a bit of everything. Now an unfair one. Paint something that has nothing to do with the object: a box in
# a corner, in one frame only, a smile, your initials.
#
# **This is what the whole course is about: paint what you like, and the same object comes back.** (There are starts from which it does not;
# section 7 looks for them, and no hand is steady enough to paint one.) Draw with the mouse on the left picture (you may change the frame and
# go on drawing), and press Play.

# %% tags=["widget"]
painted = PowerIterationStepper(clip, flow, options=graph, start="painted", pace=0.05)
painted

# %% [markdown]
# So that this page does not depend on your mouse, the next cell paints a box into the upper left corner, and plays.

# %% tags=["widget"]
box = np.zeros((h, w), np.float32)
box[5:30, 5:60] = 1
painted.paint(box)
painted.play()
painted.wait()
print(f"|cos| to the exact eigenvector: {painted.cosines[0]:.3f} at the start, {painted.cosines[-1]:.6f} at the end")

# %% tags=["widget"]
assert painted.start == "painted"
assert painted.converged
assert painted.cosines[0] < 0.5
assert painted.cosines[-1] > 0.999

# %% [markdown]
# The same without a widget. Three starts, each as ignorant of the object as can be:

# %%
from ikebook.solvers.starts import race

starts = {name: torch.zeros(m, h, w) for name in ("a box in one corner", "stripes", "the lower half")}
starts["a box in one corner"][0, 5:30, 5:60] = 1
starts["stripes"][:, :, ::8] = 1
starts["the lower half"][:, h // 2 :] = 1
rounds = list(race(real.matrix, starts, iterations=20))
figures.row({name: start[0] for name, start in starts.items()})

# %%
answers = {name: x * torch.sign((x * real.labels()).sum()) for name, x in rounds[-1].items()}
figures.row({f"from {name}": x[0] for name, x in answers.items()}, signed=True, shared=True)

# %%
exactly = real.labels().flatten().double()
cosines = {name: [] for name in starts}
for labels in rounds:
    for name, x in labels.items():
        cosines[name].append(abs(float(x.flatten().double() @ exactly)) / float(x.double().norm()))
print({name: round(line[-1], 6) for name, line in cosines.items()})
assert all(line[-1] > 0.99 for line in cosines.values())
figures.curves(cosines, x=range(21), labels=("iteration", "|cos| to the eigenvector"))

# %% [markdown]
# The answer is a property of A, that is, of the *video*. The start only decides how long the way is. That is why nobody has to say
# where the object is.
#
# ## 6. A race
#
# Fig. 6 of the paper lets several starts run against each other, blind ones, and the true mask. Here, too. (The true mask is only among
# them where the clip has one. It is a start like any other; no method looks at it otherwise.)

# %% [markdown] tags=["guess"]
# One of the starts is the *true mask*. Where will that one end?
# - at the true mask, as nothing is better :: Nothing is better by J. But A collects votes, and knows of no J.
# + at the same vector as all others :: The answer is a property of A. The truth is a start like any other, and is left again.
# - nowhere: it has converged already :: That would take an eigenvector of A, and annotations are none.

# %% tags=["widget"]
from ikebook.widgets import InitialisationRace

contest = InitialisationRace(clip, flow, options=graph, iterations=12)
contest

# %% tags=["widget"]
contest.run()
assert contest.iteration == 12
assert min(line[-1] for line in contest.curves["cosine"].values()) > 0.99

# %% [markdown]
# The paper says about this: *"the closer the initial point is to the final eigenvector, the faster the convergence"*. True. But it
# also suggests that a start near the *truth* is near the eigenvector, and that is another matter. What starts at the true mask **leaves it** again,
# and ends where all others end: A knows nothing of annotations. With features as printed, which follow the camera on many videos, the
# true mask was one of the slowest starts of all that we measured: 18 iterations, against 4 from noise
# ([docs/experiments.md](https://github.com/ikebook/ikebook/blob/main/docs/experiments.md) has the table).
#
# ## 7. Starts that never arrive
#
# There is a small print. In section 3, $c_1$ must not be 0: the start has to have *something* in common with $v_1$. (For Algorithm 2, which
# begins with PM, that is: P M x(0) has to.)
#
# Is a constant start such a case? Our features have mean 0 in each frame, so a constant is orthogonal to all of them, and $P x(0) = 0$.

# %% [markdown] tags=["guess"]
# So, will Algorithm 2 come to the disc from a constant start?
# - no: P x(0) = 0, and 0 stays 0 :: If projection came first, you would be right.
# + yes: it propagates first :: What M makes of a constant is the number and weight of each pixel's links, and that is no
#   constant.

# %%
# NBVAL_CHECK_OUTPUT
ones = torch.ones(len(A), dtype=torch.float64)
print(f"|P 1| = {float((P @ ones).norm()):.1f}, but |P M 1| = {float((P @ (M @ ones)).norm()):.1f}")

# %% [markdown]
# Algorithm 2 propagates *before* it projects, and M 1 is not constant: at the border of things, and of the frame, pixels have fewer chains, or more. Saved by the order of two steps.
#
# > **Exercise 05.4** Find a start `x_never` for the toy from which Algorithm 2, computed without rounding, never comes to $v_1$, and never becomes 0 either.
# >
# > *Hint: `vectors[:, -1]` is $v_1$, and the other columns are orthogonal to it. But the first step is PM, not A: what it makes
# > of x has to be orthogonal to $v_1$ as well. It is so for eigenvectors in the span of the features, those whose eigenvalue is
# > not 0.*
# >
# > *Nearly: one of the other columns of `vectors`, with an eigenvalue other than 0. They stand in increasing order: where is the
# > second largest?*

# %% tags=["exercise"]
x_never = ...

# %% tags=["solution"]
x_never = vectors[:, -2]

# %% tags=["check"]
check_answers("05.4", x_never)

# %% [markdown]
# And on a computer? Start exactly at $v_2$, where Algorithm 2 should rest for ever:

# %% [markdown] tags=["guess"]
# Algorithm 2 starts exactly at the *second* eigenvector. What will happen in 200 iterations on this computer?
# - it stays there :: In exact numbers it would. A computer's have sixteen digits.
# - it goes to the first at once :: There is hardly anything of the first eigenvector to begin with, and each iteration makes that
#   only a little more.
# + it rests for long, and then goes to the first :: Rounding brings in a trace of it, which grows by the same factor in each
#   iteration.

# %%
resting = power_steps(printed.matrix, printed.pairs.vectors[1], iterations=200, tolerance=0)
overlap = [abs(float(state.labels @ printed.pairs.vectors[0])) for state in resting if state.step == "normalisation"]
figures.curves({"|cos| to v1": overlap}, labels=("iteration", "|cos| to v1"), log=True)

# %% [markdown]
# **Look:** a hundred-millionth of a hundred-millionth of $v_1$ comes in by rounding, and grows by $\lambda_1 / |\lambda_2|$ with each iteration until it is
# everything. An error helps us, for once. It also shows what a residual can't tell: for some eighty iterations it was below 0.000001, as $v_2$ *is* an
# eigenvector. A small residual says that x is near *an* eigenvector, and not which.
#
# What about step 3? The paper notes that the division by |x| does not change the solution. True: it scales all labels alike. The authors' *program*, however, scales each
# frame to [0, 1] by itself and sets what is negative to 0. That is no linear map, and what it converges to is no eigenvector of A
# (notebook [12](12_claims.ipynb)).

# %% [markdown] tags=["quiz"]
# |λ₂| / λ₁ is one half. How many iterations for three digits?
# - three, one for each digit :: An iteration halves the error. A digit is a factor of ten.
# + ten :: A half to the power of ten is 1/1024: less than a thousandth.
# - it depends on the start :: The start decides how large the error is at first, but not how often it has to be halved to have
#   three digits less.
#
# The residual is 0.0000001. What do you know?
# - x is the principal eigenvector, or near it :: Near an eigenvector, yes. In section 7 it was the second one, for eighty
#   iterations.
# + x is near *some* eigenvector :: Which one, the residual can't say.
# - the masks are right :: No number that comes from A can say that. It does not know the truth.
#
# What does Algorithm 2's third step, x / |x|, do to the answer?
# + nothing: it keeps the numbers small :: All labels are divided by one positive number, so their order and their ratios stay.
# - it puts labels between 0 and 1 :: Labels have both signs. To scale each frame to [0, 1] is what the authors' program does, and
#   that changes the answer.
# - it makes the iteration converge :: The *direction* of x converges without it. Only the numbers would outgrow the computer.

# %% [markdown]
# ## What to take along
#
# - Propagate, project, normalise: Algorithm 2 is power iteration on A, and finds the same vector from any start that has a part of it,
#   as long as $\lambda_1$ is the largest eigenvalue in size. Nearly every start has.
# - Its error is multiplied by $|\lambda_2| / \lambda_1$ in each iteration; the residual says when to stop.
# - The answer belongs to the video's matrix, not to the start, and not to the annotation either.
#
# **Wrap-up.** Algorithm 2 alternates the propagation and the projection of Section 4.3 and normalises: power iteration on A =
# PMP. It converges at the rate $|\lambda_2| / \lambda_1$ to the solution of Eq. 1 (Sec. 4.4, Proposition 2), from any start that
# has a part of it, as Figs. 5 and 6 show (Sec. 7.1). Starts are forgotten, the true mask among them. We multiplied with matrices
# of 280,000 rows as if that were nothing; how that is done is next:
# [06 Never build the matrix](06_never_build_the_matrix.ipynb).
