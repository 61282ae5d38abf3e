namespace Moodle.Runtime;

/// <summary>The checksum of zip files (polynomial 0xEDB88320, reflected).</summary>
internal static class Crc32
{
    private static readonly uint[] s_table = [.. Enumerable.Range(0, 256).Select(start =>
    {
        var value = (uint)start;
        for (var bit = 0; bit < 8; bit++)
        {
            value = (value >> 1) ^ ((value & 1) * 0xEDB88320);
        }

        return value;
    })];

    /// <summary>The checksum of bytes that follow those of <paramref name="before"/>.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes, uint before = 0)
    {
        var value = ~before;
        foreach (var next in bytes)
        {
            value = s_table[(byte)(value ^ next)] ^ (value >> 8);
        }

        return ~value;
    }
}
