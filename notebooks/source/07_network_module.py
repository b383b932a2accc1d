# %% [markdown]
# # 07 The Network Module
#
# The graph knows how things move, and is blind to how they look. A small network sees single pictures, and knows nothing of time. In this notebook the
# graph is the teacher: its masks, made without a label, are what the network learns from.
#
# **Afterwards you will be able to**
#
# - write both halves of the loss, cross-entropy and soft Dice, and say what each is for (07.1, 07.2);
# - read a U-Net, and compute how far it sees (07.3);
# - train a network in eight lines, on masks that nobody drew, and watch its own come (quiz 1);
# - say what a student can do that its teacher can't, and what it copies (quiz 2, quiz 3).
#
# **Takes** 0.2 minutes of computing on one core, and 0.5 GB of memory. About 60 minutes for you.
#
# **Read** Section 5 and Fig. 4 of the paper ([doi:10.1109/TPAMI.2021.3120228](https://doi.org/10.1109/TPAMI.2021.3120228)).
# Before: [06 Never build the matrix](06_never_build_the_matrix.ipynb). After: [08 Knowledge exchange](08_knowledge_exchange.ipynb).

# %%
from ikebook.course import check_answers, course_clip, figures, ikebook, np, torch

# %%
clip, flow, source = course_clip("dog", frames=12, size=(208, 112))

# %% [markdown]
# ## 1. The lesson
#
# The Graph Module has looked at the whole clip, and says for each pixel how much it belongs to the object: x, in [0, 1]. (Its threshold is moved to 0.5 here, so that
# "above one half" means object.)

# %%
from ikebook.cycle import threshold_to_half

graph = ikebook.segment(clip, flow)
x = np.stack([threshold_to_half(np.asarray(soft), graph.threshold) for soft in graph.soft])
some = (0, 4, 8, 11)
figures.row({f"frame {i}": clip.frames[i] for i in some})

# %%
figures.row({f"x, the graph's mask {i}": x[i] for i in some}, shared=True)

# %% [markdown]
# Twelve pairs (picture, mask): that is the whole training set (Eq. 3). It is called *pseudo ground truth*, as no human has checked it. **Look** for mistakes in it: a
# halo, a blurred edge, a shadow. The network will see them as well, and take them for truth.
#
# The task is a strange one. The graph got x from the *motion* of many frames; the network has to give the same x from *one picture*. It can't know motion, so it
# has to find out what the object looks like.
#
# ## 2. What counts as wrong
#
# The network answers with a probability s for each pixel. Equation 2 measures its error by the mean of two losses. The first is **cross-entropy**, against the mask cut at one half:
#
# $$L_{CE} = -\frac1N \sum_i \Big( b_i \log s_i + (1 - b_i) \log (1 - s_i) \Big), \qquad b_i = 1 \text{ where } x_i \ge \tfrac12, \text{ else } 0 .$$
#
# > **Exercise 07.1** Write `my_cross_entropy(s, x)` for tensors of probabilities s (between 0 and 1) and soft masks x, of one shape. It returns one number.
# >
# > *Hint: cut x first, and make numbers of it (`.to(s.dtype)`): with true and false one can't calculate.*
# >
# > *Nearly: minus the `.mean()` of `b * s.log()` and `(1 - b) * (1 - s).log()` together, with b made of `x >= 0.5`.*


# %% tags=["exercise"]
def my_cross_entropy(s, x):
    return ...


# %% tags=["solution"]
def my_cross_entropy(s, x):
    b = (x >= 0.5).to(s.dtype)
    return -(b * s.log() + (1 - b) * (1 - s).log()).mean()


# %% tags=["check"]
check_answers("07.1", my_cross_entropy)

# %% [markdown]
# Cross-entropy asks each pixel by itself, and each counts the same. An object of 5% of the pixels is then worth 5% of the loss: "nothing, anywhere" is not such a bad answer. The second loss asks
# about *sets*. The **Dice coefficient** of two sets is twice their overlap over their sizes: 1 if they are equal, 0 if they are apart. For soft masks,
#
# $$D(s, x) = \frac{2 \sum_i s_i x_i + 1}{\sum_i s_i + \sum_i x_i + 1}, \qquad L_{DL} = 1 - \tfrac12 \Big( D(s, x) + D(1-s,\, 1-x) \Big),$$
#
# for the object and for the background. The sums go over all pixels of all frames that s holds. (The ones above and below make two empty sets equal, and not 0 / 0.)
#
# > **Exercise 07.2** Write `my_dice_loss(s, x)`, for the same tensors.
# >
# > *Hint: write a function for D first. x stays soft this time.*
# >
# > *Nearly: inside, `def dice(p, q)` with `(p * q).sum()`, `p.sum()` and `q.sum()`; then 1 less the mean of two of these, one for
# > s and x, one for `1 - s` and `1 - x`.*


# %% tags=["exercise"]
def my_dice_loss(s, x):
    return ...


# %% tags=["solution"]
def my_dice_loss(s, x):
    def dice(p, q):
        return (2 * (p * q).sum() + 1) / (p.sum() + q.sum() + 1)

    return 1 - (dice(s, x) + dice(1 - s, 1 - x)) / 2


# %% tags=["check"]
check_answers("07.2", my_dice_loss)

# %% [markdown]
# What do these losses think of two answers, "nothing anywhere" and the graph's own mask? ikebook's take *logits*, log(s / (1 - s)), which is safer than s for the computer.

# %% [markdown] tags=["guess"]
# A network answers with the graph's own mask, cut at one half. Will its loss be about 0?
# - yes, in both: it answers what it is taught :: x is soft, and one of the losses compares with the soft x.
# + by cross-entropy, not by soft Dice :: Cross-entropy compares with x cut at one half, Dice with x as it is. What x is unsure of
#   costs in the latter, whatever one answers.
# - by soft Dice, not by cross-entropy :: The other way round: which of the two cuts x at one half?

# %%
from ikebook.networks.losses import cross_entropy, soft_dice

target = torch.as_tensor(x)
nothing = torch.full_like(target, -4.0)
copied = torch.where(target >= 0.5, 4.0, -4.0)
table = {}
for name, logits in {"nothing anywhere": nothing, "the mask itself": copied}.items():
    table[f"{name}: cross-entropy"] = float(cross_entropy(logits, target))
    table[f"{name}: soft Dice"] = float(soft_dice(logits, target))
figures.bars(table, label="loss")

# %% [markdown]
# **Look:** soft Dice makes the lazy answer dear. But it has a weakness of its own: even the mask itself is not free, as x is soft.
#
# The paper promises that the two together are strict where the graph is sure, and lenient where it is not. See for yourself: how hard does each loss *push* a pixel, of which the network
# knows nothing yet (s = 0.5), if the graph says x? That is the slope of the loss.

# %% [markdown] tags=["guess"]
# The graph says x = 0.55 of one pixel and 0.95 of another. Which is pushed harder towards "object" by *cross-entropy*?
# - the one with 0.95, as the graph is surer of it :: Soft Dice does that. Cross-entropy has cut x at one half, and does not know
#   how sure it was.
# + neither: both alike :: Cut at one half, both are 1.
# - the one with 0.55, as it is harder :: How hard a pixel is plays no part: the network knows nothing of either yet.

# %%
says = torch.linspace(0, 1, 101)[None, None]
push = {}
for name, loss in {"cross-entropy": cross_entropy, "soft Dice": soft_dice}.items():
    logits = torch.zeros_like(says, requires_grad=True)
    push[name] = -101 * torch.autograd.grad(loss(logits, says), logits)[0][0, 0]
figures.curves(push, x=says[0, 0].tolist(), labels=("x, what the graph says", "push towards object"))

# %% [markdown]
# **Look:** cross-entropy pushes with the same force whatever x is, on this side of one half or on the other. It is soft Dice alone that lets unsure pixels be. Half and half (the paper's $\lambda_1 = \lambda_2 = 0.5$)
# the push jumps at one half and grows from there to both sides: less where the graph is unsure, but not none. "More permissive" is a large word for that.
# (Here the graph says "object" and "background" equally often. Of a *small* object even soft Dice does not let unsure pixels be: `help(soft_dice)` has the numbers.)
#
# ## 3. A U-Net
#
# Fig. 4: the picture goes *down* through levels of half the size each, where the network sees more and more of the frame, and *up* again. On the way up each level also gets what was there on the
# way down: from below *what*, from the side *where*.
#
# Ours is tiny, so that it learns on one core while you watch.

# %%
from ikebook.networks.unet import NETWORKS, NetworkOptions, UNet

tiny = NetworkOptions(widths=(16, 24, 32), dilations=(1, 2), stem=4)
with torch.device("meta"):  # as plans only: the paper's would take 300 MB
    for name, options in {"tiny": tiny, **NETWORKS}.items():
        plan = UNet(options)
        print(f"{name:5}: {plan.parameter_count:10,} numbers to learn; widths {options.widths}")

# %% [markdown]
# At the coarsest level the network has to see far. Its convolutions look at 3 x 3 cells; with **dilation** r, the nine cells stand r apart. One residual block has two such convolutions, one after the other.
#
# > **Exercise 07.3** Write `cells_seen(dilations)`: how wide is the square of cells on which one cell depends, after residual blocks with these dilations? Each block has two 3 x 3 convolutions of its dilation.
# >
# > *Hint: a 3 x 3 convolution with dilation r reaches r cells further in each direction. What does one add to the width? Without
# > any block the width is 1.*
# >
# > *Nearly: a convolution of dilation r adds 2r to the width, and a block has two of them. Start at 1, and sum over all blocks.*


# %% tags=["exercise"]
def cells_seen(dilations):
    return ...


# %% tags=["solution"]
def cells_seen(dilations):
    return 1 + sum(2 * 2 * r for r in dilations)


# %% tags=["check"]
check_answers("07.3", cells_seen)

# %% [markdown]
# (One more thing reaches everywhere: normalisation. Each block takes the mean over the whole frame, so a cell knows a little about all others.)
#
# The paper's text and Fig. 4 speak of dilated convolutions. The authors' published program has none in its network. ikebook follows the paper.
#
# ## 4. Eight lines of training
#
# Show the network a picture, let it answer, measure, and move all its numbers a little in the direction that makes the loss smaller. Over and over.

# %%
from ikebook.networks.unet import new_network

frames = torch.as_tensor(np.asarray(clip.frames))
network = new_network(tiny)
optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)

# %%
from ikebook.networks.losses import knowledge_loss
from ikebook.networks.unet import predict

losses, snapshots = [], {}
for step in range(73):
    i = [step % len(frames)]
    if step in (0, 6, 24, 72):
        snapshots[f"s after {step} steps"] = next(predict(network, clip.frames[5:6]))
    loss = knowledge_loss(network(frames[i]), target[i])
    optimizer.zero_grad(), loss.backward(), optimizer.step()
    losses.append(loss.item())

# %% [markdown] tags=["guess"]
# 72 steps on twelve pictures, from random numbers. What will the network's mask look like?
# - like noise, as networks take thousands of pictures :: To know all kinds of objects, they do. This one has to know one object
#   in one video.
# + like the object, with a coarse edge :: What it knows comes in cells of 4 x 4 pixels.
# - sharper than the graph's, as it sees the picture :: It might in the end. But it has learned from the graph's masks, in cells
#   of 4 x 4 pixels.

# %%
figures.row({**snapshots, "x, from the graph": x[5]}, limits=(0, 1))

# %%
assert losses[-1] < losses[0] / 2
figures.curves({"loss": losses}, labels=("step", "loss (Eq. 2)"))

# %% [markdown]
# **Look:** at first the network knows nothing; after six steps it suspects something; then it finds what tells the object from the rest, a colour, a texture. Its edges are coarse, as what it knows comes in cells of
# 4 x 4 pixels. The dots and stripes are no error of yours: each of the 16 pixels of a cell has a filter of its own, which after so few steps do not agree yet (*checkerboard artefacts*).
#
# Now live: a new network, from scratch. Let the video run while it learns.

# %% tags=["widget"]
from ikebook.widgets import VideoCanvas

student = new_network(tiny, seed=1)
screen = VideoCanvas(clip.frames, maps=np.stack(list(predict(student, clip.frames))), map_range=(0, 1))
screen.caption = "what the network sees, before its first step"
screen

# %% tags=["widget"]
optimizer = torch.optim.AdamW(student.parameters(), lr=3e-3)
for step in range(36):
    loss = knowledge_loss(student(frames[[step % 12]]), target[[step % 12]])
    optimizer.zero_grad(), loss.backward(), optimizer.step()
    if step % 12 == 11:
        screen.show(maps=np.stack(list(predict(student, clip.frames))))
        screen.caption = f"after {step + 1} steps, loss {loss.item():.2f}"

# %% tags=["widget"]
assert screen.caption.startswith("after 36 steps")
assert loss.item() < 0.5

# %% [markdown]
# `ikebook.networks.training.train` is the same loop with care: a learning rate that rises and falls, mirrored pictures, an early end, checkpoints.
#
# ## 5. What the student has learned
#
# Does it only repeat its teacher? Where there are annotations we can ask them. (J is the overlap of masks over their union; no method looks at it.)

# %%
from ikebook.cycle import score

s = np.stack(list(predict(network, clip.frames)))
for name, maps in {"graph, x": x, "network, s": s}.items():
    print(f"{name}: J = {score(clip, maps, 0.5) or np.nan:.3f}")

# %% [markdown]
# About the same, sometimes better, sometimes not. A student of a single teacher learns the teacher's mistakes too, if they are *regular*: a shadow that always goes with the object is
# part of it, for all the network can know.
#
# But mistakes that are *not* regular it can't learn from pictures. Take the lesson away for three frames: masks 4, 5 and 6 say "nothing here".

# %%
from ikebook.networks.training import TrainOptions, train

holes = x.copy()
holes[4:7] = 0
pupil = train(clip.frames, holes, tiny, TrainOptions(epochs=9, batch=1)).network
filled = np.stack(list(predict(pupil, clip.frames)))
figures.row({f"taught, frame {i}": holes[i] for i in (3, 4, 5, 6)}, limits=(0, 1))

# %% [markdown] tags=["guess"]
# It was taught "nothing here" for frames 4, 5 and 6. What will it say of them?
# - nothing here, as it was taught :: It can't tell these frames from the other nine, of which it was taught the opposite.
# + the object is here :: It looks as in the other frames, and nine lessons outweigh three.
# - grey everywhere, as it is in doubt :: It might be a little less sure. But it is asked pixel by pixel, and the object's are
#   well known.

# %%
figures.row({f"answered, frame {i}": filled[i] for i in (3, 4, 5, 6)}, limits=(0, 1))

# %%
found = filled[4:7][x[4:7] >= 0.9].mean()
print(
    f"where the graph had been sure of the object, the network says s = {found:.2f} on average, though it was taught 0"
)
assert found > 0.4

# %% [markdown]
# **Look:** it was told three times that there is nothing, and contradicts. The object looks there as it looks in the other nine frames, and a network that sees one picture at a time can't tell these from those. *That* is what
# the Network Module is for: the graph loses an object where it stops moving, or where flow fails. The network does not notice that it has stopped.
#
# And its limits? Show it a stranger, and one of its own frames with red and blue swapped:

# %% [markdown] tags=["guess"]
# Will it find its object with red and blue exchanged?
# - yes: an object is an object :: It has never heard of objects. It has seen one.
# - no: colour is all that it goes by :: It goes by whatever told the two apart, and brightness or texture may have.
# + that depends on what it went by, in this video :: Colour, brightness, texture: whichever told the object from the rest.

# %%
stranger = ikebook.toy("disc", size="208x112", frames=2).clip.frames[0]
swapped = clip.frames[5][..., ::-1].copy()
answers = list(predict(network, np.stack([stranger, swapped])))
figures.row(
    {"a stranger": stranger, "its answer": answers[0], "swapped colours": swapped, "its answer to them": answers[1]},
    limits=(0, 1),
)

# %% [markdown]
# **Look:** it goes by what told the object apart in *this* video, be it colour, brightness or texture. A stranger that has that may pass for the object; and where colour was what it went by, the object in other colours is lost. It has learned one
# object, and not what an object is.
#
# So a new network is trained for each video, and in each cycle, from scratch.
#
# ## 6. Back to the edges
#
# Before its masks go back to the graph, ikebook draws them to the edges of their frames, by a bilateral solver: pixels that are near each other and of one colour should agree. The paper has no such step.
# In our measurements it was what helped most ([accuracy](https://github.com/ikebook/ikebook/blob/main/docs/accuracy.md)).

# %%
from ikebook.video.edges import EdgeOptions, logistic, snap

edges = EdgeOptions()
drawn = snap(np.asarray(clip.frames[5]), logistic(s[5], 0.5, edges), edges)
figures.row({"frame 5": clip.frames[5], "s": s[5], "s, drawn to the edges": drawn}, limits=(0, 1))

# %% [markdown] tags=["quiz"]
# Who has made the masks that the network learns from?
# - people, for the training set :: Nobody has drawn anything. True masks are asked for the score alone.
# + the graph, of the same video :: They are called pseudo ground truth: nobody has checked them.
# - the network itself, one step earlier :: That would be another method. Here the teacher knows motion, which the student can't
#   see.
#
# In the graph's masks a shadow always belongs to the object. What does the student learn?
# + that the shadow is part of it :: A mistake that is the same in each lesson can't be told from the truth.
# - to leave it out, as a shadow looks different :: So does the other half of many objects. What is always in the mask is learned.
# - nothing, as dark pixels have no colour :: Dark is a look, like any other.
#
# What can the network do that the graph can't?
# - follow a pixel through time :: It sees one picture at a time. Following is the graph's.
# + find the object where it does not move :: It goes by looks, and these do not stop.
# - find the objects of other videos :: It knows what told *this* object from *this* background.

# %% [markdown]
# ## What to take along
#
# - The network is trained on the graph's masks alone: cross-entropy is strict with every pixel, soft Dice looks at the whole set.
# - From one picture it can't know motion, so it learns looks: regular mistakes of the graph stay, irregular ones go.
# - It finds the object also in frames where the graph saw nothing.
#
# **Wrap-up.** The Network Module of Section 5 (Fig. 4) is a U-Net that learns, from single frames, the soft masks of the graph.
# Its loss is the mean of cross-entropy and soft Dice (Eq. 2), over all frames of the video (Eq. 3). Regular mistakes of the
# teacher are learned with the rest, irregular ones are not, and where the graph has lost an object that rests, the network still
# sees it. What if the graph could use that? Algorithm 1 lets it: [08 Knowledge exchange](08_knowledge_exchange.ipynb).
