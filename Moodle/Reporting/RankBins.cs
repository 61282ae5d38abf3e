namespace Moodle.Reporting;

/// <summary>The classes that a rank distribution counts.</summary>
internal static class RankBins
{
    private static readonly double[] s_last = [1, 3, 10, 30, 100, 300, 1000, double.PositiveInfinity];

    /// <summary>What each class is called.</summary>
    public static readonly IReadOnlyList<string> Names = ["1", "2–3", "4–10", "11–30", "31–100", "101–300", "301–1000", "over 1000"];

    /// <summary>The class of a rank; one between two classes, as ties give, belongs to the worse.</summary>
    public static int Of(double rank) => Array.FindIndex(s_last, last => rank <= last);
}
