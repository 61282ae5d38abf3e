using System.Globalization;

namespace Atlas;

/// <summary>The flags of all countries, as <c>flags.csv</c> and <c>emblems.csv</c> describe them.</summary>
internal sealed class FlagBook
{
    /// <summary>The longer side of a picture in pixels.</summary>
    public const int LongestSide = 192;

    private readonly SortedDictionary<string, string> _flags = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _emblems = new(StringComparer.Ordinal);

    /// <summary>The codes of the countries that have a flag, sorted.</summary>
    public IReadOnlyCollection<string> Codes => _flags.Keys;

    /// <summary>Reads both tables and draws every flag once to find mistakes.</summary>
    public static FlagBook Read(string folder, ProblemList problems)
    {
        var book = new FlagBook();
        foreach (var row in Rows(folder, "emblems.csv", ["name", "drawing"], problems))
        {
            if (!book._emblems.TryAdd(row["name"], row["drawing"]))
            {
                problems.Error(row, $"emblem {row["name"]} is there twice");
            }
        }

        foreach (var row in Rows(folder, "flags.csv", ["code", "drawing"], problems))
        {
            if (!book._flags.TryAdd(row["code"], row["drawing"]))
            {
                problems.Error(row, $"flag {row["code"]} is there twice");
            }

            try
            {
                book.Draw(row["code"]);
            }
            catch (FormatException e)
            {
                problems.Error(row, $"{row["code"]}: {e.Message}");
            }
        }

        return book;
    }

    /// <summary>Draws a flag in its true proportions.</summary>
    /// <exception cref="FormatException">The drawing holds a mistake.</exception>
    public Raster Draw(string code)
    {
        var parts = _flags[code].Split('|', 2);
        var aspect = parts[0].Split(':');
        if (parts.Length != 2 || aspect.Length != 2)
        {
            throw new FormatException("a drawing begins with width:height and a bar");
        }

        var ratio = double.Parse(aspect[0], CultureInfo.InvariantCulture) / double.Parse(aspect[1], CultureInfo.InvariantCulture);
        var width = ratio >= 1 ? LongestSide : (int)Math.Round(LongestSide * ratio);
        var height = ratio >= 1 ? (int)Math.Round(LongestSide / ratio) : LongestSide;
        var canvas = new Canvas(width, height, 100 * ratio, 100);
        new Drawing(canvas, 100 * ratio, _emblems).Run(parts[1]);
        return canvas.Finish();
    }

    /// <summary>Writes all flags in tables of eight by six, as <c>PREFIX1.png</c> and so on.</summary>
    public void WriteContactSheets(string prefix)
    {
        const int Cell = LongestSide + 8;
        const int Across = 8;
        const int Down = 6;
        foreach (var (page, codes) in Codes.Chunk(Across * Down).Index())
        {
            var sheet = new Raster(Cell * Across, Cell * Down * 3 / 4, new byte[Cell * Across * Cell * Down * 3 / 4 * 3]);
            Array.Fill(sheet.Pixels, (byte)0x90);
            foreach (var (at, code) in codes.Index())
            {
                var flag = Draw(code);
                var (left, top) = (at % Across * Cell + 4, at / Across * Cell * 3 / 4 + 4);
                for (var row = 0; row < Math.Min(flag.Height, Cell * 3 / 4 - 6); row++)
                {
                    flag.Pixels.AsSpan(row * flag.Width * 3, flag.Width * 3).CopyTo(sheet.Pixels.AsSpan(((top + row) * sheet.Width + left) * 3));
                }
            }

            File.WriteAllBytes($"{prefix}{page + 1}.png", sheet.ToPng());
        }
    }

    private static List<SourceRow> Rows(string folder, string file, string[] columns, ProblemList problems)
    {
        var path = Path.Combine(folder, file);
        if (File.Exists(path))
        {
            return SourceRow.Read(path, columns, problems);
        }

        problems.Error(file, 1, "there is no such table");
        return [];
    }
}
