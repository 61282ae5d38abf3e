// Makes a data set of long documents from Atlas: to each entity's own description come those of its neighbours, of theirs, and so on, nearest first,
// until there are so many words. Triples stay as they are; only training triples make neighbours.
//
//   dotnet run experiments/anchor-attention/long-documents.cs -- OUT [words, 6000]

if (args is [] or [_, _, _, ..] || (args.Length == 2 && !int.TryParse(args[1], out _)))
{
    Console.Error.WriteLine("give OUT and, if not 6000, the words of a document");
    return 2;
}

const string Source = "data/atlas";
var (target, most) = (args[0], args.Length == 2 ? int.Parse(args[1]) : 6000);
Directory.CreateDirectory(target);
foreach (var file in new[] { "train.tsv", "dev.tsv", "test.tsv", "entities.txt", "entity2text.txt", "relation2text.txt" })
{
    File.Copy(Path.Combine(Source, file), Path.Combine(target, file), overwrite: true);
}

Dictionary<string, string> Texts(string file) =>
    File.ReadLines(Path.Combine(Source, file)).Select(line => line.Split('\t', 2)).ToDictionary(parts => parts[0], parts => parts[1]);
var (names, descriptions) = (Texts("entity2text.txt"), Texts("entity2textlong.txt"));
var neighbours = names.Keys.ToDictionary(entity => entity, _ => new SortedSet<string>(StringComparer.Ordinal));
foreach (var parts in File.ReadLines(Path.Combine(Source, "train.tsv")).Select(line => line.Split('\t')))
{
    neighbours[parts[0]].Add(parts[2]);
    neighbours[parts[2]].Add(parts[0]);
}

var lengths = new List<int>();
using var writer = new StreamWriter(Path.Combine(target, "entity2textlong.txt"));
foreach (var entity in names.Keys)
{
    var (told, words, seen) = (new List<string>(), 0, new HashSet<string> { entity });
    for (var queue = new Queue<string>([entity]); words < most && queue.TryDequeue(out var next);)
    {
        var text = $"{names[next]}: {descriptions.GetValueOrDefault(next, "")}";
        told.Add(text);
        words += text.Count(character => character == ' ') + 1;
        foreach (var neighbour in neighbours[next].Where(seen.Add))
        {
            queue.Enqueue(neighbour);
        }
    }

    lengths.Add(words);
    writer.WriteLine($"{entity}\t{string.Join(' ', told)}");
}

lengths.Sort();
Console.WriteLine($"{target}: {lengths.Count} documents of {lengths[0]} to {lengths[^1]} words, median {lengths[lengths.Count / 2]}");
return 0;
