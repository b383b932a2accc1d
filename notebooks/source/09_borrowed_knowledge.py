# %% [markdown]
# # 09 Borrowed knowledge
#
# Other people have trained networks that segment pictures, and some are good. This notebook hands their outputs to the graph, as
# more node features, and finds out which of their mistakes a graph can mend, which it can't, and how much of the gain is the
# graph's.
#
# **Afterwards you will be able to**
#
# - use a folder of maps, from any program, as a cue (09.1, quiz 3);
# - say which mistakes of a network a video takes away, and which stay (quiz 2);
# - read Table 2 of the paper with the right thing to compare with (09.2, quiz 1);
# - refine somebody else's masks, and measure against the simplest method that does the same (09.3).
#
# **Takes** 0.2 minutes of computing on one core, and 0.6 GB of memory. About 45 minutes for you.
#
# **Read** Section 7.3 and Table 2 of the paper ([doi:10.1109/TPAMI.2021.3120228](https://doi.org/10.1109/TPAMI.2021.3120228)).
# Before: [08 Knowledge exchange](08_knowledge_exchange.ipynb); of the ideas, [03](03_features_and_projection.ipynb) is enough.
# After: [10 Scoring](10_scoring.ipynb).

# %%
from ikebook.course import check_answers, course_clip, figures, ikebook, np, torch

# %%
clip, flow, source = course_clip("goat")

# %% [markdown]
# ## 1. A network, and its mistakes
#
# The paper takes the soft outputs of six networks, all trained on masks that people drew: two that see single pictures (FCN,
# DeepLabv3), four that were made for video. We have none of them here. In their place stands a **made-up** network: the clip's true
# masks, spoilt on purpose. It is blurred and noisy, hardly sees the object in every fourth frame, and in most frames takes something
# else for an object too, each time in another place.
#
# So no score below says how good anything is. What we want to see is what happens to each *kind* of mistake.

# %%
from ikebook.course.simulated_cues import simulated_network

cue = simulated_network(clip)
shown = (2, 3, 4, 5)
pictures = {f"frame {i}": clip.frames[i] for i in shown} | {f"network, {i}": cue.maps[i] for i in shown}
figures.row(pictures, limits=(0, 1), columns=4)

# %%
from ikebook.video.metrics import davis_scores

truth = clip.masks
J = {"the network": np.mean(davis_scores(np.asarray(cue.maps) > 0.5, truth)["J"])}
print(f"J of the network alone: {J['the network']:.2f}")

# %% [markdown]
# ## 2. A folder of maps
#
# How would you bring a real one? Let it write a grey picture for each frame, 0 to 255, named like the frame, of whatever size. (16-bit
# pictures, and arrays as `.npy` or `.pt`, do as well.) `read_cue` turns the folder into a `Cue`: a map (frames, height, width) of
# real numbers, and a name.

# %%
import tempfile
from pathlib import Path

from ikebook.base.files import write_soft
from ikebook.networks.cues import read_cue

with tempfile.TemporaryDirectory() as folder:
    for name, soft in zip(clip.frame_names, cue.maps, strict=True):
        write_soft(Path(folder) / f"{name}.png", np.asarray(soft))
    again = read_cue(folder, clip)
print(
    f"read: {again.maps.shape}, at most {np.abs(again.maps - np.asarray(cue.maps)).max():.4f} away from what was written"
)

# %% [markdown]
# On the command line the same is `ikebook segment my_video.mp4 --out result --cue FOLDER`, and `--cue` may be given several times.
#
# ## 3. Into F
#
# A cue becomes columns of F, just as the motion saliency does. In the paper, and in the preset `saliency` of notebooks 04 to 06, these are
# its value at the pixel itself, and at those that the pixel's chains meet 1, ..., r frames ahead and behind; the paper calls 2r + 1 the
# *feature chain size*. ikebook's default has two of each: the value at the pixel itself, and the mean along its chains.

# %%
for name in ("saliency", "default"):
    matrix = ikebook.build(clip, flow, options=ikebook.preset(name), cues=[cue])
    print(f"{name}: {', '.join(matrix.features.columns)}")

# %% [markdown]
# Those with "saliency" come from motion, those with "network" are borrowed. With displacements there would be two numbers, dx and
# dy, for each of q steps, ahead and behind.
#
# > **Exercise 09.1** Write a function: how many columns d has F, with `cues` cues (the saliency is one) of reach r, and displacements
# > of reach q? Take q = 0 for no displacements.
# >
# > *Hint: the first line above shows one case. Does a displacement have a value at the pixel itself?*
# >
# > *Nearly: a cue has its value at the pixel and at r steps ahead and r behind, 2r + 1 in all; a displacement has two numbers for
# > each of q steps ahead and q behind.*


# %% tags=["exercise"]
def columns(cues, r, q):
    return ...


# %% tags=["solution"]
def columns(cues, r, q):
    return cues * (2 * r + 1) + 4 * q


# %% tags=["check"]
check_answers("09.1", columns)

# %% [markdown]
# Then nothing else changes. M is still made of the video alone, and A = PMP asks for labels that agree along the chains *and* are a
# linear combination of these columns. No line of the solver knows what a cue is. (Which of two near eigenvectors is the object, and its
# sign, is then settled by saliency and cue together.)
#
# ## 4. What comes out
#
# Five graphs of the same clip, along the same chains: with motion only, in our way and in the paper's (displacements as printed), with the
# borrowed maps only, and with both.

# %%
alone = ikebook.segment(clip, flow)
both = ikebook.segment(clip, flow, cues=[cue])
no_saliency = ikebook.override(ikebook.preset("default"), "saliency=none")
borrowed = ikebook.segment(clip, flow, options=no_saliency, cues=[cue])
printed = ikebook.override(ikebook.preset("paper"), "solver.method=exact")
printed_alone = ikebook.segment(clip, flow, options=printed)
printed_both = ikebook.segment(clip, flow, options=printed, cues=[cue])

# %% [markdown] tags=["guess"]
# "Network only": F holds nothing but those poor maps. What will that graph's masks be, beside them?
# - as poor, as it knows nothing else :: It knows nothing else *about the object*. But M knows which pixels of other frames have
#   to agree.
# + far better :: The maps' mistakes change from frame to frame. Along the chains they are outvoted.
# - worse, as mistakes spread along chains :: A mistake is alone on its chain, and what is right is in the majority.

# %%
graphs = {"graph: saliency": alone, "graph: saliency and network": both, "graph: network only": borrowed}
graphs |= {"graph: displacements": printed_alone, "graph: displacements and network": printed_both}
J |= {name: np.mean(davis_scores(each.masks, truth)["J"]) for name, each in graphs.items()}
figures.bars(J, label="mean J")

# %% [markdown]
# **Look** at "network only". F holds nothing but the poor maps, and what comes out is far better than they are. Where has
# the knowledge come from? From M: the network said something else in each frame, and the chains know which pixels must agree.
#
# The graph with displacements as printed gains even more, where motion alone misleads it. That is what the paper's Table 2 is made
# of. On a clip where motion says all there is to say, as on the embedded one, a cue adds little; on *goat*, where rocks move like the
# animal, it settles the matter. (Twelve frames at 208 x 112 are little to go by: of the whole *goat*, at full size, the graph finds more, as [10](10_scoring.ipynb) says.)
#
# Move the line between the network and the graph made from nothing else, and play.

# %% tags=["widget"]
from ikebook.widgets import Compare

compare = Compare(clip, np.asarray(cue.maps) > 0.5, borrowed.masks, names=("network", "graph"))
compare

# %% tags=["widget"]
compare.swipe = 0.3
compare.frame = 2
assert compare.canvas.swipe == 0.3
assert compare.scores["graph"][2] > compare.scores["network"][2]

# %% [markdown]
# ## 5. Table 2, and what to compare with
#
# The paper's Table 2, its J on DAVIS 2016 with RAFT's flow:
#
# | | alone | in the graph |
# |---|---:|---:|
# | FCN | 66.5 | 78.2 |
# | DeepLabv3 | 67.0 | 77.7 |
# | COSNet | 80.5 | 83.4 |
# | AnDiff | 81.7 | 83.7 |
# | MATNet | 82.4 | 84.5 |
# | 3DC-Seg | 84.3 | 85.9 |
#
# *"In all the experiments, our approach was able to improve over the baseline that provided the node-level features"*: true of
# all six. But a network in the graph has two parents. The graph with displacements and **no** network reaches 70.7 in the same setting
# (Table 1), more than FCN alone. So the fair question is what the two do *together* beyond the *better* of them.
#
# > **Exercise 09.2** The paper measures changes in percent: $100\,(v_2 - v_1)/v_1$. By how much does "FCN in the graph" (78.2) change
# > J, against FCN alone (66.5), and against the graph alone (70.7)?
# >
# > *Hint: the percentage is of the old value, not of 100.*
# >
# > *Nearly: in both, the new value is 78.2; the old one is 66.5 in the first, and 70.7 in the second.*

# %% tags=["exercise"]
against_network, against_graph = ..., ...

# %% tags=["solution"]
against_network, against_graph = 100 * (78.2 - 66.5) / 66.5, 100 * (78.2 - 70.7) / 70.7

# %% tags=["check"]
check_answers("09.2", against_network, against_graph)

# %% [markdown]
# Both are large. The networks made for video gain 1.6 to 2.9 points: they know about time already, and what is left for a graph
# is little.
#
# ## 6. How much of that is the graph?
#
# Whenever a method gains, ask what the *simplest* method with the same information gains. Here: take each pixel's chain, two
# frames ahead and two behind, read the network's five values along it, and take their **median**. No matrix, no eigenvector.
# Chains that have ended, at the frame's border or behind something, have no vote.
#
# > **Exercise 09.3** Write that vote: `votes` has a row for each step of the chain and a column for each pixel, with NaN where a chain
# > has ended. Return the median of each column, over the votes that are there.
# >
# > *Hint: `np.median` of a column with a NaN is NaN. NumPy has a function that leaves NaN out.*
# >
# > *Nearly: `np.nanmedian`, along the axis of the steps.*


# %% tags=["exercise"]
def vote(votes):
    return ...


# %% tags=["solution"]
def vote(votes):
    return np.nanmedian(votes, axis=0)


# %% tags=["check"]
check_answers("09.3", vote)

# %% [markdown]
# The library has it as `temporal_median`. And once we are at it: `refine` follows it up by the *bilateral solver*, which draws
# masks to the edges that the frames show. (It gives masks of the video's own size; we stay at the small one.)

# %%
from ikebook.graph.refine import refine, temporal_median

soft = np.asarray(cue.maps)
steady = np.stack(list(temporal_median(soft, flow, 2)))
small = ikebook.Clip(frames=clip.frames, name=clip.name)
refined = np.stack(list(refine(small, soft, 0.5, flow)))

# %% [markdown] tags=["guess"]
# How far will the plain median come, without a matrix and an eigenvector?
# + about as far as the graph :: Here, to outvote is what both do, along the same chains.
# - about as far as the network alone :: Five votes are enough to outvote a mistake that comes and goes.

# %%
J |= {name: np.mean(davis_scores(x > 0.5, truth)["J"]) for name, x in (("median", steady), ("refined", refined))}
figures.bars({name: J[name] for name in ("the network", "median", "refined", "graph: network only")}, label="mean J")

# %% [markdown]
# **Look:** the plain vote gets about as far as the graph, or farther. Both use the same chains, and both do the same thing: mistakes that
# come and go are outvoted. So a table that shows a gain over single frames shows what *time* is worth; to show what the
# *eigenvector* is worth it would need a row for the vote. Table 2 has none.
#
# What does the eigenvector have that the vote has not? It looks at the whole clip at once. The vote has no more than five frames; in
# power iteration, each step goes 15 frames farther.
#
# ## 7. Mistakes that stay
#
# Now another network. It is as good as the first on the object, but its wrong guess is always the *same* one: a spot in a corner, in
# every frame, as sure as the object.

# %%
stubborn = simulated_network(clip, mistakes="same")
figures.row({f"network, {i}": stubborn.maps[i] for i in shown}, shared=True)

# %% [markdown] tags=["guess"]
# The wrong spot is now at the same place in every frame. Who will take it away?
# - the median, as five frames vote :: All five say the same.
# - the graph, as it sees the whole clip :: The whole clip says the same. The spot lasts, so it *is* a cluster.
# + neither of the two :: Agreement in time is all that they look for, and the spot agrees with itself.

# %%
fixed = np.stack(list(temporal_median(np.asarray(stubborn.maps), flow, 2)))
kept = ikebook.segment(clip, flow, options=no_saliency, cues=[stubborn])
weighed = ikebook.segment(clip, flow, cues=[stubborn])
spot = {"the network": np.asarray(stubborn.maps) > 0.5, "median": fixed > 0.5}
spot |= {"graph: network only": kept.masks, "graph: saliency and network": weighed.masks}
figures.bars({name: np.mean(davis_scores(x, truth)["J"]) for name, x in spot.items()}, label="mean J")

# %%
figures.row({name: masks[len(clip) // 2] for name, masks in spot.items()})

# %% [markdown]
# **Look:** it is a frame in which the network overlooks the object; vote and graph bring it back. But neither takes the spot away. Why should they? It lasts, it is consistent along its chains: it *is* a
# strong cluster. A graph makes its features agree in space and time; it does not know which of them are right.
#
# Only a second witness helps. Where motion sees the object and not the spot, as on the embedded clip, the saliency among the features
# settles it. Where motion is wrong too, as on *goat*, two wrong witnesses make no right one.
#
# ## 8. In F, or as a start?
#
# There is another place where masks could go in: x(0), the labels that power iteration begins with. The paper starts from noise even
# here. Let us try all three on the graph "network only": noise, the network, the truth itself.

# %% [markdown] tags=["guess"]
# Three starts on the graph "network only": noise, the network's maps, the truth. How will their answers differ?
# - the better the start, the better the answer :: The better the start, the fewer iterations, perhaps. Each ends at the same
#   vector.
# + not at all :: Only A decides where power iteration ends, and A is the same.

# %%
from ikebook.solvers import theory
from ikebook.solvers.power import start_labels

begin = {"noise": start_labels("uniform", len(clip), clip.size), "network": cue.maps.flatten()}
begin["truth"] = torch.as_tensor(truth).float().flatten()
for name, (iterations, cosine) in theory.starts(borrowed.matrix, begin, tolerance=1e-5).items():
    print(f"from {name}: {iterations} iterations, |cosine| to the exact eigenvector {cosine:.6f}")

# %% [markdown]
# The same vector each time, from noise as from the truth: a start is *forgotten*, for only A decides where the iteration ends. What
# you know has to go into the matrix, that is, into F.

# %% [markdown] tags=["quiz"]
# FCN alone has 66.5, the graph alone 70.7, both together 78.2. Which gain says what the *combination* is worth?
# - 11.7, against the network :: That counts to its credit what the graph can do without any network.
# + 7.5, against the better of the two :: What two do together begins where the better one ends.
# - 9.6, against their mean :: Nobody would use the mean of the two, if one alone is better.
#
# Which of a network's mistakes does a graph mend?
# - those of which the network is least sure :: How sure it was is not asked, but whether other frames say the same.
# + those that change from frame to frame :: They are outvoted along the chains.
# - those that lie away from the object :: The stubborn spot lay in a corner, and stayed.
#
# You have good maps. Where should they go in?
# + into F, as a cue :: What you know has to go into the matrix, for only the matrix decides.
# - into the start x(0) :: A start is forgotten.
# - into M, as links :: M holds what moves together, in the video alone. Who is special is said by F.

# %% [markdown]
# ## What to take along
#
# - Any program's maps can be columns of F: a folder of grey pictures and `--cue`.
# - The graph mends what changes from frame to frame, and keeps what lasts, right or wrong. A plain median along the
#   chains does much of the same; compare with it.
# - A gain over the weaker parent is not yet a gain: compare with both.
#
# **Wrap-up.** Maps of any network can be node features (Sec. 7.3): columns of F, from which A = PMP takes those labels that agree
# along the chains. Table 2 shows a gain over each of six networks; the fair comparison is with the better parent, and with a
# plain vote along the chains. What changes from frame to frame is mended, what lasts is kept. We have been using J all along;
# what it measures, and how our numbers stand beside the paper's (Sec. 6), is next: [10](10_scoring.ipynb).
