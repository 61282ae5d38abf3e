using Moodle.Attention;
using Moodle.Encoders.Pretrained;
using Moodle.Tests.Support;
using static TorchSharp.torch;

namespace Moodle.Tests.Encoders.Pretrained;

[TestClass]
public sealed class TextModelTests
{
    private const int Hidden = 8;
    private const int Heads = 2;
    private const int Inner = 12;
    private const int Layers = 2;
    private const int Words = 20;
    private static readonly int[] s_lengths = [3, 7, 7, 12];

    [NoTensorLeak]
    [DataRow("bert", "")]
    [DataRow("bert", "bert.")]
    [DataRow("distilbert", "")]
    [DataRow("mpnet", "")]
    public void PostNormEncoders_AgreeWithFloat64(string type, string prefix)
    {
        using var folder = TestData.NewFolder();
        var weights = Bert(type, 16);
        weights.WriteFolder(folder.Path, BertConfig(type, 16), prefix);
        Compare(folder.Path, s_lengths, ids => BertReference(weights, type, ids, i => Row(weights["embeddings.position_embeddings.weight"], i + (type == "mpnet" ? 2 : 0))));
    }

    [NoTensorLeak]
    public void OldNamesOfNorms_AndHeads_AreKnown()
    {
        using var folder = TestData.NewFolder();
        var weights = Bert("bert", 16);
        weights.Add("pooler.dense.weight", 0, 1, Hidden, Hidden);
        weights.Write(folder["model.safetensors"]);
        File.WriteAllText(folder["config.json"], BertConfig("bert", 16));
        var expected = States(folder.Path, [5]);
        foreach (var name in weights.Names.Where(name => name.Contains("LayerNorm", StringComparison.Ordinal)).ToArray())
        {
            weights.Rename(name, name.Replace(".weight", ".gamma", StringComparison.Ordinal).Replace(".bias", ".beta", StringComparison.Ordinal));
        }

        weights.WriteFolder(folder.Path, BertConfig("bert", 16));
        CollectionAssert.AreEqual(expected, States(folder.Path, [5]));
    }

    [NoTensorLeak]
    public void Positions_AreStretchedOverLongDocumentsOnly()
    {
        using var folder = TestData.NewFolder();
        var weights = Bert("bert", 5);
        weights.WriteFolder(folder.Path, BertConfig("bert", 5));
        var table = weights["embeddings.position_embeddings.weight"];
        Compare(folder.Path, [3, 5, 9], ids => BertReference(weights, "bert", ids, i =>
        {
            var at = ids.Length > 5 ? i * 4.0 / (ids.Length - 1) : i;
            var (low, share) = ((int)at, at - (int)at);
            return share == 0 ? Row(table, low) : Row(table, low).Zip(Row(table, low + 1), (a, b) => (a * (1 - share)) + (b * share)).ToArray();
        }), interpolate: true);
    }

    [NoTensorLeak]
    [DataRow(false)]
    [DataRow(true)]
    public void ModernBert_AgreesWithFloat64(bool newConfiguration)
    {
        using var folder = TestData.NewFolder();
        var weights = new KnownWeights(3);
        weights.Add("model.embeddings.tok_embeddings.weight", 0, 1, Words, Hidden);
        weights.AddNorm("model.embeddings.norm", Hidden, bias: false);
        for (var i = 0; i < 3; i++)
        {
            if (i > 0)
            {
                weights.AddNorm($"model.layers.{i}.attn_norm", Hidden, bias: false);
            }

            weights.AddLinear($"model.layers.{i}.attn.Wqkv", 3 * Hidden, Hidden, bias: false);
            weights.AddLinear($"model.layers.{i}.attn.Wo", Hidden, Hidden, bias: false);
            weights.AddNorm($"model.layers.{i}.mlp_norm", Hidden, bias: false);
            weights.AddLinear($"model.layers.{i}.mlp.Wi", 2 * Inner, Hidden, bias: false);
            weights.AddLinear($"model.layers.{i}.mlp.Wo", Hidden, Inner, bias: false);
        }

        weights.AddNorm("model.final_norm", Hidden, bias: false);
        weights.Add("decoder.bias", 0, 1, Words);
        var kinds = newConfiguration
            ? """ "layer_types": ["full_attention", "sliding_attention", "full_attention"], "rope_parameters": {"full_attention": {"rope_theta": 500, "rope_type": "default"}, "sliding_attention": {"rope_theta": 50, "rope_type": "default"}} """
            : """ "global_attn_every_n_layers": 2, "global_rope_theta": 500, "local_rope_theta": 50 """;
        weights.WriteFolder(folder.Path, $$"""
            {"model_type": "modernbert", "hidden_size": {{Hidden}}, "num_attention_heads": {{Heads}}, "num_hidden_layers": 3, "intermediate_size": {{Inner}}, "vocab_size": {{Words}},
             "local_attention": 6, "norm_eps": 1e-5, {{kinds}} }
            """);
        // A window of three to each side: shorter than it, a block more, several blocks, and a length that fills none.
        Compare(folder.Path, [2, 4, 5, 9, 9, 23], ids => ModernReference(weights, ids));
    }

    private static double[][] ModernReference(KnownWeights weights, int[] ids)
    {
        const double Epsilon = 1e-5;
        var x = Reference.Norm([.. ids.Select(id => Row(weights["model.embeddings.tok_embeddings.weight"], id))], weights, "model.embeddings.norm", Epsilon);
        for (var i = 0; i < 3; i++)
        {
            var (layer, global) = ($"model.layers.{i}.", i % 2 == 0);
            var parts = Reference.Linear(i == 0 ? x : Reference.Norm(x, weights, layer + "attn_norm", Epsilon), weights, layer + "attn.Wqkv");
            double[][] Part(int part, bool turn) => [.. parts.Select((row, position) => Turn(row[(part * Hidden)..((part + 1) * Hidden)], turn ? position : 0, global ? 500 : 50))];
            var attended = Reference.Attention(Part(0, true), Part(1, true), Part(2, false), Heads, (_, a, b) => global || Math.Abs(a - b) <= 3 ? 0 : null);
            x = Reference.Add(x, Reference.Linear(attended, weights, layer + "attn.Wo"));
            var up = Reference.Linear(Reference.Norm(x, weights, layer + "mlp_norm", Epsilon), weights, layer + "mlp.Wi");
            var gated = Array.ConvertAll(up, row => row[..Inner].Zip(row[Inner..], (a, gate) => Reference.Gelu(a) * gate).ToArray());
            x = Reference.Add(x, Reference.Linear(gated, weights, layer + "mlp.Wo"));
        }

        return Reference.Norm(x, weights, "model.final_norm", Epsilon);
    }

    // Component c of a head and the one half a head further turn together.
    private static double[] Turn(double[] row, int position, double angleBase)
    {
        const int Size = Hidden / Heads;
        var turned = new double[row.Length];
        for (var c = 0; c < row.Length; c++)
        {
            var (first, pair) = (c % Size < Size / 2, c % Size % (Size / 2));
            var angle = position * Math.Pow(angleBase, -2.0 * pair / Size);
            turned[c] = (row[c] * Math.Cos(angle)) + ((first ? -row[c + (Size / 2)] : row[c - (Size / 2)]) * Math.Sin(angle));
        }

        return turned;
    }

    private static double[][] BertReference(KnownWeights weights, string type, int[] ids, Func<int, double[]> position)
    {
        const double Epsilon = 1e-5;
        var x = ids.Select((id, i) => Row(weights["embeddings.word_embeddings.weight"], id).Zip(position(i), (a, b) => a + b).ToArray()).ToArray();
        if (type == "bert")
        {
            x = Array.ConvertAll(x, row => row.Zip(Row(weights["embeddings.token_type_embeddings.weight"], 0), (a, b) => a + b).ToArray());
        }

        x = Reference.Norm(x, weights, "embeddings.LayerNorm", type == "distilbert" ? 1e-12 : Epsilon);
        foreach (var names in Enumerable.Range(0, Layers).Select(i => NamesOf(type, i)))
        {
            double[][] Part(int i) => Reference.Linear(x, weights, names[i]);
            var attended = Reference.Attention(Part(0), Part(1), Part(2), Heads, type == "mpnet" ? (h, i, j) => weights["encoder.relative_attention_bias.weight"][(Bucket(j - i) * Heads) + h] : null);
            var epsilon = type == "distilbert" ? 1e-12 : Epsilon;
            x = Reference.Norm(Reference.Add(x, Reference.Linear(attended, weights, names[3])), weights, names[4], epsilon);
            x = Reference.Norm(Reference.Add(x, Reference.Linear(Reference.Map(Reference.Linear(x, weights, names[5]), Reference.Gelu), weights, names[6])), weights, names[7], epsilon);
        }

        return x;
    }

    // 32 buckets: 16 for keys at or before the query, 16 for those behind; 0 to 7 apart one each, then 8 by equal factors up to 128.
    private static int Bucket(int distance)
    {
        var (side, far) = (distance > 0 ? 16 : 0, Math.Abs(distance));
        var edges = Enumerable.Range(1, 7).Select(i => 8 * Math.Pow(16, i / 8.0));
        return side + (far < 8 ? far : 8 + edges.Count(edge => far >= edge));
    }

    [TestMethod]
    public void Buckets_AreThoseOfThePaper()
    {
        foreach (var distance in Enumerable.Range(-200, 401))
        {
            Assert.AreEqual(Bucket(distance), RelativeAttention.Bucket(distance, 32), $"distance {distance}");
        }
    }

    internal static KnownWeights Bert(string type, int positions, int words = Words)
    {
        var weights = new KnownWeights(1);
        weights.Add("embeddings.word_embeddings.weight", 0, 1, words, Hidden);
        weights.Add("embeddings.position_embeddings.weight", 0, 1, positions, Hidden);
        if (type == "bert")
        {
            weights.Add("embeddings.token_type_embeddings.weight", 0, 1, 2, Hidden);
        }

        weights.AddNorm("embeddings.LayerNorm", Hidden);
        foreach (var names in Enumerable.Range(0, Layers).Select(i => NamesOf(type, i)))
        {
            foreach (var name in names[..4])
            {
                weights.AddLinear(name, Hidden, Hidden);
            }

            weights.AddNorm(names[4], Hidden);
            weights.AddLinear(names[5], Inner, Hidden);
            weights.AddLinear(names[6], Hidden, Inner);
            weights.AddNorm(names[7], Hidden);
        }

        if (type == "mpnet")
        {
            weights.Add("encoder.relative_attention_bias.weight", 0, 1, 32, Heads);
        }

        return weights;
    }

    internal static string BertConfig(string type, int positions, int words = Words) => type == "distilbert"
        ? $$"""{"model_type": "distilbert", "dim": {{Hidden}}, "n_heads": {{Heads}}, "n_layers": {{Layers}}, "hidden_dim": {{Inner}}, "vocab_size": {{words}}, "max_position_embeddings": {{positions}}, "activation": "gelu"}"""
        : $$"""
            {"model_type": "{{type}}", "hidden_size": {{Hidden}}, "num_attention_heads": {{Heads}}, "num_hidden_layers": {{Layers}}, "intermediate_size": {{Inner}}, "vocab_size": {{words}},
             "max_position_embeddings": {{positions}}, "layer_norm_eps": 1e-5, "hidden_act": "gelu", "type_vocab_size": 2}
            """;

    private static string[] NamesOf(string type, int i) => type switch
    {
        "distilbert" => [.. ((string[])["attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin", "sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm"]).Select(name => $"transformer.layer.{i}.{name}")],
        "mpnet" => [.. ((string[])["attention.attn.q", "attention.attn.k", "attention.attn.v", "attention.attn.o", "attention.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"]).Select(name => $"encoder.layer.{i}.{name}")],
        _ => [.. ((string[])["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"]).Select(name => $"encoder.layer.{i}.{name}")],
    };

    private static double[] Row(double[] table, int row) => table[(row * Hidden)..((row + 1) * Hidden)];

    private static int[] Ids(int sequence, int length) => [.. Enumerable.Range(0, length).Select(i => ((sequence * 5) + (i * 7)) % Words)];

    private static float[] States(string folder, int[] lengths, bool interpolate = false)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = PretrainedTextModel.Open(folder, interpolate, new DenseAttention(), CPU);
        var ids = lengths.SelectMany((length, sequence) => Ids(sequence, length)).Select(id => (long)id).ToArray();
        return model.Forward(tensor(ids), new PackedSequences(lengths)).data<float>().ToArray();
    }

    private static void Compare(string folder, int[] lengths, Func<int[], double[][]> reference, bool interpolate = false)
    {
        var states = States(folder, lengths, interpolate);
        var expected = lengths.SelectMany((length, sequence) => reference(Ids(sequence, length))).SelectMany(row => row).ToArray();
        Assert.HasCount(expected.Length, states);
        Assert.IsLessThan(2e-5, expected.Zip(states, (a, b) => Math.Abs(a - b)).Max());
    }
}
