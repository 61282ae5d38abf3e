using System.Runtime.InteropServices;
using Moodle.Runtime;
using Moodle.Runtime.Cuda;
using static TorchSharp.torch;

namespace Moodle.Models.Cuda;

/// <summary>The compiled kernels of Kernels/training.cu, and what they are launched with.</summary>
internal static class TrainingKernels
{
    private static readonly CudaKernels s_kernels = new("Moodle.Models.Kernels.training.cu");

    /// <summary>The kernels for a device; null where they cannot run.</summary>
    public static CudaModule? For(Device device) => s_kernels.For(device);

    /// <summary>A number as an argument of a launch.</summary>
    public static nint Bits(double number) => BitConverter.SingleToInt32Bits((float)number);
}

/// <summary>A batch as the kernels see it; the tensors must live until the launch.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct BatchAddresses
{
    private readonly nint _heads;
    private readonly nint _relations;
    private readonly nint _weights;
    private readonly nint _rows;
    private readonly nint _answers;
    private readonly nint _counts;
    private readonly int _queries;
    private readonly int _answerCount;

    /// <summary>Takes the addresses of a batch's tensors.</summary>
    public BatchAddresses(QueryBatch batch)
    {
        (_heads, _relations, _weights) = (batch.Heads.Address(), batch.Relations.Address(), batch.Weights.Address());
        (_rows, _answers, _counts) = (batch.AnswerRows.Address(), batch.Answers.Address(), batch.AnswerWeights.Address());
        (_queries, _answerCount) = (checked((int)batch.Count), checked((int)batch.Answers.shape[0]));
    }
}

/// <summary>A branch's tables as the kernels see them.</summary>
/// <param name="Entities">[|E|, 2 rank].</param>
/// <param name="Relations">[2|R|, 2 rank].</param>
/// <param name="Available">[|E|], or 0.</param>
/// <param name="Missing">[2 rank], or 0.</param>
/// <param name="Rank">Complex numbers of a vector.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct TableAddresses(nint Entities, nint Relations, nint Available, nint Missing, int Rank);

/// <summary>A step as the kernels see it.</summary>
/// <param name="Tables">The branch's tables.</param>
/// <param name="Batch">The batch.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct TripleAddresses(TableAddresses Tables, BatchAddresses Batch);
