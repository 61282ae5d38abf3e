using Moodle.Attention;
using Moodle.Configuration;
using Moodle.Encoders;
using Moodle.Modalities;
using Moodle.Models;
using Moodle.Runtime;
using static TorchSharp.torch;

namespace Moodle.Training;

/// <summary>Queries, keys and values as a run's trained text encoder makes them of the longest documents: what sparse attention is tuned on.</summary>
public static class AttentionCapture
{
    private const string EncoderPrefix = "encoder.";

    /// <summary>
    /// Writes a safetensors file with, for every document and layer, <c>documentN.layerN.q</c>, <c>.k</c> and <c>.v</c>, each [heads, tokens, d];
    /// its metadata name each document's entity.
    /// </summary>
    /// <param name="runPath">The run's folder.</param>
    /// <param name="path">The file.</param>
    /// <param name="documents">How many documents, from the longest.</param>
    /// <returns>Tokens of each document.</returns>
    /// <exception cref="InputException">The run has no trained text encoder, or its data changed.</exception>
    public static IReadOnlyList<int> Write(string runPath, string path, int documents)
    {
        var config = RunFolder.ReadConfig(runPath);
        if (!config.Modalities.Contains(Modality.Text))
        {
            throw new InputException($"{runPath}: has no text encoder; give a run whose modalities include text");
        }

        LibTorch.Load();
        var source = Path.Combine(RunFolder.FeaturesOf(runPath), MultimodalModel.NameOf(Modality.Text) + ".safetensors");
        if (!File.Exists(source))
        {
            throw new InputException($"{source}: the trained text encoder is missing; go on with 'moodle resume {runPath}'");
        }

        var graph = RunData.Read(config.Data);
        RunVocabularies.Check(runPath, graph);
        var (triples, _) = HoldOut.Divide(graph, config);
        var (_, tokenized) = TextInputs.Of(graph, Documents.Write(graph, triples, config.Text.Document), config.Text.Document);

        using var none = no_grad();
        using var scope = NewDisposeScope();
        var recorder = new Recorder();
        using var encoder = new TextEncoder(config.Text.Encoder, tokenized, _ => recorder);
        Load(encoder, source);
        encoder.eval();
        var longest = Enumerable.Range(0, tokenized.Count).Where(encoder.Has).OrderByDescending(encoder.Cost).Take(documents).ToArray();
        foreach (var entity in longest)
        {
            recorder.BeginDocument();
            encoder.Encode([entity]).Dispose();
        }

        Safetensors.Write(path, recorder.Tensors, longest.Select((entity, i) => (entity, i))
            .ToDictionary(each => $"document{each.i}", each => graph.Entities.Labels[each.entity]));
        return [.. longest.Select(encoder.Cost)];
    }

    private static void Load(TextEncoder encoder, string source)
    {
        using var file = Safetensors.Open(source);
        var tensors = file.Names.Where(name => name.StartsWith(EncoderPrefix, StringComparison.Ordinal)).ToDictionary(name => name, file.Read);
        ModuleTensors.Load(encoder, EncoderPrefix, tensors, source);
    }

    // Attends densely and keeps what it was given, layer by layer.
    private sealed class Recorder : IPackedAttention
    {
        private readonly DenseAttention _dense = new();
        private int _document = -1;
        private int _layer;

        public Dictionary<string, Tensor> Tensors { get; } = [];

        public void BeginDocument() => (_document, _layer) = (_document + 1, 0);

        public Tensor Attend(Tensor query, Tensor key, Tensor value, PackedSequences sequences)
        {
            foreach (var (name, x) in new[] { ("q", query), ("k", key), ("v", value) })
            {
                // Kept beyond the encoder's own scope, until everything is written.
                Tensors[$"document{_document}.layer{_layer}.{name}"] = x.transpose(0, 1).contiguous().MoveToOuterDisposeScope();
            }

            _layer++;
            return _dense.Attend(query, key, value, sequences);
        }
    }
}
