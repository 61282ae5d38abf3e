using Moodle.Configuration;
using Moodle.Runtime;
using TorchSharp.Modules;

namespace Moodle.Training;

/// <summary>Makes the optimisers that the configuration names.</summary>
internal static class OptimizerFactory
{
    /// <summary>An optimiser over parameters that are on their device already.</summary>
    public static ParameterOptimizer Create(OptimizerKind kind, IEnumerable<(string Name, Parameter Parameter)> parameters) => kind switch
    {
        OptimizerKind.AdamW => new FusedAdamW(parameters, weightDecay: 0),
        _ => new FusedAdagrad(parameters),
    };
}
