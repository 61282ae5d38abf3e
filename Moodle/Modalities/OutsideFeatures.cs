using static TorchSharp.torch;

namespace Moodle.Modalities;

/// <summary>Features as <see cref="FeatureFile"/> reads them.</summary>
/// <param name="Values">float32 [rows, size].</param>
/// <param name="Entities">The entity of each row.</param>
/// <param name="Summary">What was read and what was left out, in words.</param>
public sealed record OutsideFeatures(Tensor Values, int[] Entities, string Summary);
