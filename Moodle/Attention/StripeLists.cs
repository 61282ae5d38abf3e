using static TorchSharp.torch;

namespace Moodle.Attention;

/// <summary>The keys that each (group, head) attends to beside its anchor region, ascending.</summary>
/// <param name="Keys">int64 [sum of all lists]: group by group, head by head.</param>
/// <param name="Offsets">Where the list of group g and head h begins, at g · heads + h; one more at the end.</param>
internal sealed record StripeLists(Tensor Keys, long[] Offsets)
{
    /// <summary>The length of a list.</summary>
    public long Count(int list) => Offsets[list + 1] - Offsets[list];

    /// <summary>A list; a view.</summary>
    public Tensor Of(int list) => Keys.narrow(0, Offsets[list], Count(list));
}
