namespace Moodle.Attention;

/// <summary>How long the parts of one pass took. Backward, selection is zero: it is a constant to the gradient.</summary>
/// <param name="Anchor">Rows over their anchor region; forward, the anchors too.</param>
/// <param name="Selection">Scores of all candidates and the index lists.</param>
/// <param name="Sparse">Rows over the selected keys: gathering them, attention, joining (backward: scattering the gradients).</param>
/// <param name="Dense">The same pass of libtorch's dense attention, measured beside it.</param>
public sealed record AnchorPartTimes(TimeSpan Anchor, TimeSpan Selection, TimeSpan Sparse, TimeSpan Dense);

/// <summary>What AnchorAttention does to some inputs.</summary>
/// <param name="Density">Attended pairs over allowed pairs, anchor region included.</param>
/// <param name="Recall">The share of dense attention's mass that falls on attended pairs, mean over rows and heads.</param>
/// <param name="LowRecall">Its 5th percentile over rows and heads.</param>
/// <param name="RelativeError">‖output − dense output‖ / ‖dense output‖.</param>
/// <param name="Forward">Times of one forward pass; null where they were not asked for.</param>
/// <param name="Backward">Times of one backward pass; null where they were not asked for.</param>
public sealed record AnchorStatistics(
    double Density, double Recall, double LowRecall, double RelativeError, AnchorPartTimes? Forward, AnchorPartTimes? Backward);
