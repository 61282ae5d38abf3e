using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Moodle.Runtime;

/// <summary>AdamW (Loshchilov and Hutter 2019) as PyTorch computes it: weight decay is decoupled and scaled by the learning rate.</summary>
public sealed class FusedAdamW : ParameterOptimizer
{
    private static readonly TorchScript s_script = new("""
        def fused(params: List[Tensor], grads: List[Tensor], means: List[Tensor], squares: List[Tensor], steps: List[Tensor],
                  lr: float, beta1: float, beta2: float, weight_decay: float, eps: float):
            largest: List[Tensor] = []
            torch._foreach_add_(steps, 1)
            torch._fused_adamw_(params, grads, means, squares, largest, steps, lr=lr, beta1=beta1, beta2=beta2,
                                weight_decay=weight_decay, eps=eps, amsgrad=False, maximize=False)
        """);

    private readonly double _beta1;
    private readonly double _beta2;
    private readonly double _weightDecay;
    private readonly double _epsilon;

    /// <summary>Starts with empty moments.</summary>
    /// <param name="parameters">Names and parameters, as from <c>Module.named_parameters()</c>.</param>
    /// <param name="weightDecay">Decoupled weight decay.</param>
    /// <param name="beta1">Decay of the mean of the gradients.</param>
    /// <param name="beta2">Decay of the mean of their squares.</param>
    /// <param name="epsilon">Added to the root of the second moment.</param>
    /// <inheritdoc cref="ParameterOptimizer(IEnumerable{ValueTuple{string, Parameter}})" path="/exception"/>
    public FusedAdamW(
        IEnumerable<(string name, Parameter parameter)> parameters,
        double weightDecay = 0.01, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8) : base(parameters)
    {
        (_beta1, _beta2, _weightDecay, _epsilon) = (beta1, beta2, weightDecay, epsilon);
        AddZeros("mean");
        AddZeros("square");
    }

    private protected override void Update(Tensor[] parameters, Tensor[] gradients, Func<string, Tensor[]> state, double learningRate) =>
        s_script.Invoke(
            "fused", parameters, gradients, state("mean"), state("square"), state("step"),
            learningRate, _beta1, _beta2, _weightDecay, _epsilon);
}
