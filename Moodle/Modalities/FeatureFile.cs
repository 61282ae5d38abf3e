using System.Globalization;
using Moodle.Configuration;
using Moodle.Graphs;
using static TorchSharp.torch;

namespace Moodle.Modalities;

/// <summary>
/// Features that were made elsewhere: a matrix with a row for each entity, ids or the data set's own order to tell whose row it is, and a mask for
/// rows that mean nothing. Rows of zeros or NaN alone are taken for missing too, for that is how published files mark them.
/// </summary>
public static class FeatureFile
{
    /// <summary>Reads features.</summary>
    /// <param name="options">The file, and how to read it; relative paths start from the graph's folder.</param>
    /// <param name="graph">The graph whose entities they describe.</param>
    /// <param name="key">The section of the configuration, for errors: <c>image.features</c>.</param>
    /// <returns>What is left of them, owned by the caller.</returns>
    /// <exception cref="InputException">A file cannot be read, does not fit the graph, or another one; or nothing is left.</exception>
    public static OutsideFeatures Read(FeatureFileConfig options, KnowledgeGraph graph, string key)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(graph);
        var path = Path.Combine(graph.Path, options.File ?? throw new ArgumentException("no file", nameof(options)));
        using var scope = NewDisposeScope();
        var rows = ArrayFile.Read(path, options.Array, $"{key}.array");
        if (rows.dim() != 2 || rows.shape[0] == 0 || rows.shape[1] == 0)
        {
            throw new InputException($"{path}: shape [{string.Join(", ", rows.shape)}], expected [entities, size]; save one vector for each entity");
        }

        if (rows.dtype is not (ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64))
        {
            throw new InputException($"{path}: elements are {rows.dtype}, expected float16, float32 or float64; save them with .astype(\"float32\")");
        }

        var values = rows.to(ScalarType.Float32); // [rows, size]
        var owners = EntitiesOf(options, graph, key, path, values.shape[0], out var strangers);
        var used = options.Mask is { } mask ? Mask(mask, path, graph.Path, values.shape[0], key) : null;
        var empty = values.eq(0).all(1).logical_or(values.isnan().all(1)).data<bool>().ToArray();
        var broken = values.isfinite().all(1).logical_not().data<bool>().ToArray();
        var taken = new List<long>();
        var (masked, lacking) = (0, 0);
        for (var row = 0; row < owners.Length; row++)
        {
            if (owners[row] < 0)
            {
                continue;
            }

            if (used is not null && !used[row])
            {
                masked++;
            }
            else if (empty[row])
            {
                lacking++;
            }
            else if (broken[row])
            {
                throw new InputException($"{path}: row {row} (counted from 0) holds a number that is not finite in float32; mend it, or leave the row out with {key}.mask");
            }
            else
            {
                taken.Add(row);
            }
        }

        if (taken.Count == 0)
        {
            throw new InputException($"{path}: no row is left: {strangers} belong to no entity here, {masked} are masked, {lacking} are zeros or NaN; check {key}.ids and {key}.mask");
        }

        var summary = string.Create(CultureInfo.InvariantCulture, $"{values.shape[1]:N0} values from {options.File} for {taken.Count:N0} of {graph.Entities.Count:N0} entities; "
            + $"left out: {strangers:N0} rows of others, {masked:N0} masked, {lacking:N0} of zeros or NaN");
        var chosen = values.index_select(0, tensor(taken)).MoveToOuterDisposeScope();
        return new(chosen, [.. taken.Select(row => owners[row])], summary);
    }

    // The entity of each row, -1 where the graph does not have it.
    private static int[] EntitiesOf(FeatureFileConfig options, KnowledgeGraph graph, string key, string path, long rows, out int strangers)
    {
        strangers = 0;
        if (options.Ids is null)
        {
            if (graph.EntityList is null)
            {
                throw new InputException($"{path}: {graph.Path} has no list of its entities, so the order of rows says nothing; name the entity of each row with {key}.ids");
            }

            return rows == graph.Entities.Count
                ? [.. Enumerable.Range(0, (int)rows)]
                : throw new InputException($"{path}: has {rows} rows, {graph.EntityList} has {graph.Entities.Count} entities; name the entity of each row with {key}.ids");
        }

        var list = Path.Combine(graph.Path, options.Ids);
        var byFolder = graph.Entities.Labels.Select((label, id) => (Name: ImageFolders.FolderName(label), id)).DistinctBy(entry => entry.Name).ToDictionary(entry => entry.Name, entry => entry.id);
        var (owners, seen) = (new List<int>(), new HashSet<int>());
        foreach (var (number, text) in TextLines.Read(list))
        {
            var label = Labels.Bare(text.Split('\t')[0].Trim());
            var entity = graph.Entities.TryGetId(label, out var id) || byFolder.TryGetValue(label, out id) ? id : -1;
            if (entity >= 0 && !seen.Add(entity))
            {
                throw InputException.At(list, number, $"entity '{label}' has a row already", "each entity has one");
            }

            strangers += entity < 0 ? 1 : 0;
            owners.Add(entity);
        }

        return owners.Count == rows
            ? [.. owners]
            : throw new InputException($"{list}: names {owners.Count} entities, {path} has {rows} rows; one line belongs to each row");
    }

    private static bool[] Mask(string mask, string path, string folder, long rows, string key)
    {
        var file = Path.Combine(folder, mask);
        bool[] used;
        if (ArrayFile.Holds(path, mask))
        {
            used = Truth(ArrayFile.Read(path, mask, $"{key}.mask"), file);
        }
        else if (ArrayFile.IsKnown(file))
        {
            used = Truth(ArrayFile.Read(file, null, $"{key}.mask"), file);
        }
        else
        {
            used = [.. TextLines.Read(file).Select(line => double.TryParse(line.Text.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
                ? value != 0
                : throw InputException.At(file, line.Number, $"'{line.Text.Trim()}' is no number", "a line is 1 for a row to use, 0 for one to leave out"))];
        }

        return used.Length == rows ? used : throw new InputException($"{file}: masks {used.Length} rows, {path} has {rows}; one number belongs to each row");
    }

    private static bool[] Truth(Tensor mask, string file) => mask.dim() == 1 || (mask.dim() == 2 && mask.shape[1] == 1)
        ? mask.flatten().to(ScalarType.Float64).ne(0).data<bool>().ToArray()
        : throw new InputException($"{file}: shape [{string.Join(", ", mask.shape)}], expected one number for each row");
}
