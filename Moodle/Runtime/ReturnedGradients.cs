using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>
/// Gradients that an operation of ours hands to autograd. Where tensors are on a GPU, autograd asks for them on threads of its own: no scope of the caller's is
/// there to dispose what is returned. It can go when the next request on the thread shows that the last one's was taken.
/// </summary>
internal static class ReturnedGradients
{
    [ThreadStatic]
    private static Tensor[]? t_returned;

    /// <summary>At the beginning of a request: lets go of what the last one returned.</summary>
    public static void Drop()
    {
        foreach (var tensor in t_returned ?? [])
        {
            tensor.Dispose(); // twice does no harm
        }

        t_returned = null;
    }

    /// <summary>At its end: takes the gradients out of the request's scope.</summary>
    /// <param name="incoming">The gradient that autograd gave.</param>
    /// <param name="constants">How many inputs without a gradient follow those with one.</param>
    /// <param name="gradients">Those of the first inputs.</param>
    /// <returns>What autograd expects.</returns>
    public static List<Tensor> Hand(Tensor incoming, int constants, params ReadOnlySpan<Tensor> gradients)
    {
        var returned = new List<Tensor>();
        foreach (var gradient in gradients)
        {
            returned.Add(gradient.MoveToOuterDisposeScope());
        }

        t_returned = incoming.device_type == DeviceType.CPU ? null : [.. returned, incoming];
        returned.AddRange(Enumerable.Repeat<Tensor>(null!, constants));
        return returned;
    }
}
