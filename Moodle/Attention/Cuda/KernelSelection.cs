using static TorchSharp.torch;

namespace Moodle.Attention.Cuda;

/// <summary>What <see cref="CudaAttention.Select"/> leaves for what follows it.</summary>
/// <param name="States">Each row tile's unfinished output, in the order in which its threads hold it.</param>
/// <param name="Maxima">The largest logit of every row over its anchor region, in units of log 2, float32 [heads, rows].</param>
/// <param name="LogSums">The rows' normalisers; after Finish the logarithms of those over all keys that they attend to. float32 [heads, rows].</param>
/// <param name="MeanQueries">[heads, blocks, d].</param>
/// <param name="Thresholds">What a mean query's product with a key must reach, float32 [heads, blocks].</param>
/// <param name="Masks">A bit for each group and key, int32 [heads · words]; written only where a list has no room.</param>
/// <param name="Lists">For each group and chunk of keys where its list begins in the pool, or -1, and how many keys it has: int32, [heads, groups, chunks, 2] at the beginning.</param>
/// <param name="Pool">How much of it has been given away, then keys.</param>
internal sealed record KernelSelection(Tensor States, Tensor Maxima, Tensor LogSums, Tensor MeanQueries, Tensor Thresholds, Tensor Masks, Tensor Lists, Tensor Pool);
