using Moodle.Models;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>
/// Learns a batch as a whole, or, once memory has run out, in parts of half as many queries, down to one: every loss term is a sum over queries or answers
/// divided by the whole batch's weight, so that the parts' gradients add up to the batch's. libtorch's allocator returns its unused blocks to the device
/// before it says that there are none.
/// </summary>
/// <param name="batches">The batches.</param>
/// <param name="optimizer">Has the gradients, which are dropped before each attempt.</param>
/// <param name="device">Where the tensors are wanted.</param>
internal sealed class BatchParts(QueryBatches batches, ParameterOptimizer optimizer, Device device)
{
    private int _rows = int.MaxValue;

    /// <summary>Hears each part before it is learned.</summary>
    public Action<QueryBatch>? Computing { get; set; }

    /// <summary>Computes the gradients of a batch.</summary>
    /// <param name="batch">Which one.</param>
    /// <param name="learn">Computes those of a part, which begins at a row of the batch.</param>
    /// <param name="kept">The tensors that outlast it; all others are disposed of.</param>
    /// <param name="say">Hears that parts have become smaller, once it has helped.</param>
    /// <returns>What each part left behind.</returns>
    public IReadOnlyList<T> Learn<T>(int batch, Func<QueryBatch, int, T> learn, Func<T, IEnumerable<Tensor>> kept, Action<string> say)
    {
        for (var shortage = false; ; shortage = true)
        {
            optimizer.ZeroGrad();
            try
            {
                using var scope = NewDisposeScope();
                var parts = new List<T>();
                var first = 0;
                foreach (var part in batches.Parts(batch, _rows, device))
                {
                    using var one = NewDisposeScope();
                    Computing?.Invoke(part);
                    parts.Add(learn(part, first));
                    Keep(kept(parts[^1]));
                    first += (int)part.Count;
                }

                if (shortage)
                {
                    say($"memory does not suffice for a batch at once; goes on with parts of {_rows:N0} queries, whose gradients add up to the same");
                }

                Keep(parts.SelectMany(kept));
                return parts;
            }
            catch (Exception exception) when (MemoryShortage.Is(exception) && Halve(batches.QueriesOf(batch).Length))
            {
            }
        }
    }

    private static void Keep(IEnumerable<Tensor> tensors)
    {
        foreach (var tensor in tensors)
        {
            tensor.MoveToOuterDisposeScope();
        }
    }

    private bool Halve(int queries)
    {
        var rows = Math.Min(_rows, queries);
        _rows = rows < 2 ? _rows : (rows + 1) / 2;
        return rows > 1;
    }
}
