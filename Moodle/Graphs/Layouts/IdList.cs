using System.Globalization;

namespace Moodle.Graphs.Layouts;

/// <summary>Lists that give labels their ids: <c>label id</c> or <c>id label</c> between blanks or tabs, a line with the count first or not.</summary>
internal static class IdList
{
    /// <summary>Reads a list; its ids must be 0 to n-1, each once.</summary>
    /// <param name="path">The file.</param>
    /// <param name="what">What it lists, for errors.</param>
    /// <param name="idFirst">Whether the id is the first column and not the last.</param>
    /// <param name="header">Whether the first line names the columns.</param>
    /// <exception cref="InputException">Something in it is wrong.</exception>
    public static Numbering Read(string path, string what, bool idFirst = false, bool header = false)
    {
        var announced = -1;
        var labels = new Dictionary<int, string>();
        foreach (var (number, text) in TextLines.Read(path).Skip(header ? 1 : 0))
        {
            var line = text.Trim();
            if (!header && number == 1 && int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var count))
            {
                announced = count;
                continue;
            }

            var between = idFirst ? line.IndexOfAny([' ', '\t']) : line.LastIndexOfAny([' ', '\t']);
            if (between < 0 || !int.TryParse(idFirst ? line[..between] : line[(between + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var id))
            {
                throw InputException.At(path, number, $"no {what} with its id", $"a line is {(idFirst ? $"id, {what}" : $"{what}, id")}, with a blank or a tab between");
            }

            if (!labels.TryAdd(id, Labels.Bare((idFirst ? line[between..] : line[..between]).Trim())))
            {
                throw InputException.At(path, number, $"the id {id} stands here a second time", "every id belongs to one line");
            }
        }

        if (announced > 0 && labels.Count == 0)
        {
            throw new InputException($"{path}: announces {announced} lines and holds none; the labels are missing, fetch the file again");
        }

        if (announced >= 0 && announced != labels.Count)
        {
            throw InputException.At(path, 1, $"announces {announced} lines, {labels.Count} follow", "the file is cut off, or its first line is wrong");
        }

        var numbering = new Numbering();
        for (var id = 0; id < labels.Count; id++)
        {
            if (!labels.TryGetValue(id, out var label))
            {
                throw new InputException($"{path}: the id {id} is missing among {labels.Count} lines; ids are 0 to {labels.Count - 1}, each once");
            }

            if (!numbering.TryAdd(label))
            {
                throw new InputException($"{path}: '{label}' has two ids; every {what} has one");
            }
        }

        return numbering;
    }

    /// <summary>Whether a list is there whose labels can be told, and not the count alone, as some data sets are distributed.</summary>
    public static bool HasLabels(string path) => File.Exists(path) && TextLines.Read(path).Take(2).Count() == 2;

    /// <summary>Ids that are their own labels.</summary>
    public static Numbering Plain(int count)
    {
        var numbering = new Numbering();
        for (var id = 0; id < count; id++)
        {
            numbering.IdOf(id.ToString(CultureInfo.InvariantCulture));
        }

        return numbering;
    }
}
