using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>
/// Adagrad (Duchi et al. 2011) as PyTorch and kbc compute it: the accumulator starts at 0, weight decay is added to the
/// gradient, and the step is lr · g / (√sum + ε).
/// </summary>
public sealed class FusedAdagrad : ParameterOptimizer
{
    private static readonly TorchScript s_script = new("""
        def fused(params: List[Tensor], grads: List[Tensor], sums: List[Tensor], steps: List[Tensor], lr: float, weight_decay: float, eps: float):
            torch._foreach_add_(steps, 1)
            torch._fused_adagrad_(params, grads, sums, steps, lr=lr, lr_decay=0.0, weight_decay=weight_decay, eps=eps, maximize=False)

        def foreach(params: List[Tensor], grads: List[Tensor], sums: List[Tensor], steps: List[Tensor], lr: float, weight_decay: float, eps: float):
            torch._foreach_add_(steps, 1)
            if weight_decay != 0.0:
                grads = torch._foreach_add(grads, params, alpha=weight_decay)
            torch._foreach_addcmul_(sums, grads, grads, 1.0)
            roots = torch._foreach_sqrt(sums)
            torch._foreach_add_(roots, eps)
            torch._foreach_addcdiv_(params, grads, roots, -lr)
        """);

    // Older CUDA builds lack the fused operation.
    private static readonly ConcurrentDictionary<DeviceType, string> s_function = new();

    private readonly double _weightDecay;
    private readonly double _epsilon;
    private readonly string _function;

    /// <summary>Starts with empty accumulators.</summary>
    /// <param name="parameters">Names and parameters, as from <c>Module.named_parameters()</c>.</param>
    /// <param name="weightDecay">Coupled weight decay (an L2 penalty's gradient).</param>
    /// <param name="epsilon">Added to the root of the accumulator.</param>
    /// <inheritdoc cref="ParameterOptimizer(IEnumerable{ValueTuple{string, Parameter}})" path="/exception"/>
    public FusedAdagrad(IEnumerable<(string name, Parameter parameter)> parameters, double weightDecay = 0, double epsilon = 1e-10)
        : this(parameters, weightDecay, epsilon, allowFused: true)
    {
    }

    /// <summary>As the public one; without the fused operation where asked, which tests need.</summary>
    internal FusedAdagrad(
        IEnumerable<(string name, Parameter parameter)> parameters, double weightDecay, double epsilon, bool allowFused) : base(parameters)
    {
        (_weightDecay, _epsilon) = (weightDecay, epsilon);
        AddZeros("sum");
        var device = State().First().Value.device;
        _function = allowFused ? s_function.GetOrAdd(device.type, _ => Choose(device)) : "foreach";
    }

    /// <summary>The function that a device takes: <c>fused</c>, or <c>foreach</c> where libtorch has no fused kernel for it.</summary>
    internal static string Choose(Device device)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        try
        {
            Tensor[] One() => [ones(1, device: device)];
            s_script.Invoke("fused", One(), One(), One(), new[] { zeros([], device: device) }, 0.1, 0.0, 1e-10);
            return "fused";
        }
        catch (ExternalException)
        {
            return "foreach";
        }
    }

    private protected override void Update(Tensor[] parameters, Tensor[] gradients, Func<string, Tensor[]> state, double learningRate) =>
        s_script.Invoke(_function, parameters, gradients, state("sum"), state("step"), learningRate, _weightDecay, _epsilon);
}
