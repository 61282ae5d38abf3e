using Moodle.Configuration;
using Moodle.Encoders.Pretrained;
using Moodle.Tests.Support;
using static TorchSharp.torch;

namespace Moodle.Tests.Encoders.Pretrained;

[TestClass]
public sealed class ImageModelTests
{
    private const int Hidden = 8;
    private const int Heads = 2;
    private const int Inner = 12;
    private const int Layers = 2;
    private const int Patch = 4;
    private const int Own = 2;

    [NoTensorLeak]
    [DataRow("vit", TokenPooling.Auto, 2)]
    [DataRow("vit", TokenPooling.Mean, 2)]
    [DataRow("clip", TokenPooling.Auto, 2)]
    [DataRow("clip", TokenPooling.Mean, 2)]
    [DataRow("clip_vision_model", TokenPooling.Cls, 2)]
    [DataRow("dinov2", TokenPooling.Auto, 2)]
    [DataRow("dinov2", TokenPooling.Mean, 3)]
    [DataRow("dinov2_with_registers", TokenPooling.Auto, 2)]
    [DataRow("dinov2_with_registers", TokenPooling.Mean, 2)]
    public void VisionTransformers_AgreeWithFloat64(string type, TokenPooling pooling, int patches)
    {
        using var folder = TestData.NewFolder();
        var weights = Transformer(type);
        weights.WriteFolder(folder.Path, TransformerConfig(type));
        Compare(folder.Path, pooling, patches * Patch, picture => TransformerReference(weights, type, pooling == TokenPooling.Mean, picture));
    }

    [NoTensorLeak]
    [DataRow("bottleneck")]
    [DataRow("basic")]
    public void ResNet_AgreesWithFloat64(string kind)
    {
        using var folder = TestData.NewFolder();
        var weights = new KnownWeights(2);
        var blocks = new List<(string Prefix, bool Shortcut, int Stride)>();
        weights.AddConvolution("resnet.embedder.embedder", 4, 3, 7);
        (int[] sizes, int[] depths, var width) = ([8, 12], [2, 1], 4);
        for (var s = 0; s < 2; s++)
        {
            for (var b = 0; b < depths[s]; b++)
            {
                var (prefix, size) = ($"resnet.encoder.stages.{s}.layers.{b}.", sizes[s]);
                blocks.Add((prefix, b == 0, b == 0 && s > 0 ? 2 : 1));
                if (b == 0)
                {
                    weights.AddConvolution(prefix + "shortcut", size, width, 1);
                }

                (int, int, int)[] layers = kind == "basic" ? [(size, width, 3), (size, size, 3)] : [(size / 4, width, 1), (size / 4, size / 4, 3), (size, size / 4, 1)];
                for (var i = 0; i < layers.Length; i++)
                {
                    weights.AddConvolution($"{prefix}layer.{i}", layers[i].Item1, layers[i].Item2, layers[i].Item3);
                }

                width = size;
            }
        }

        weights.Add("resnet.embedder.embedder.normalization.num_batches_tracked", 0, 0, 1);
        weights.Add("classifier.1.bias", 0, 1, 5);
        weights.WriteFolder(folder.Path, $$"""{"model_type": "resnet", "embedding_size": 4, "hidden_sizes": [8, 12], "depths": [2, 1], "layer_type": "{{kind}}", "hidden_act": "relu"}""");
        Compare(folder.Path, TokenPooling.Auto, 21, picture =>
        {
            double[][][] Step(double[][][] x, string name, int stride) => Normed(weights, x, name, stride, 1e-5, false);
            double[][][] Relu(double[][][] x) => Reference.Map(x, value => Math.Max(0, value));
            var x = Relu(Step(picture, "resnet.embedder.embedder", 2));
            x = MaxPool(x);
            foreach (var (prefix, shortcut, stride) in blocks)
            {
                var y = kind == "basic"
                    ? Step(Relu(Step(x, prefix + "layer.0", stride)), prefix + "layer.1", 1)
                    : Step(Relu(Step(Relu(Step(x, prefix + "layer.0", 1)), prefix + "layer.1", stride)), prefix + "layer.2", 1);
                var past = shortcut ? Step(x, prefix + "shortcut", stride) : x;
                x = Relu([.. y.Zip(past, Reference.Add)]);
            }

            return Reference.Mean(x);
        });
    }

    [NoTensorLeak]
    [DataRow(true, 32)]
    [DataRow(true, 37)]
    [DataRow(false, 32)]
    public void MobileNetV2_AgreesWithFloat64(bool asTensorFlow, int side)
    {
        using var folder = TestData.NewFolder();
        var weights = MobileNet(out var strides);
        weights.WriteFolder(folder.Path, $$"""
            {"model_type": "mobilenet_v2", "depth_multiplier": 0.125, "depth_divisible_by": 8, "min_depth": 8, "expand_ratio": 2, "finegrained_output": false, "tf_padding": {{(asTensorFlow ? "true" : "false")}},
             "hidden_act": "relu6", "layer_norm_eps": 0.001}
            """);
        Compare(folder.Path, TokenPooling.Auto, side, picture => MobileReference(weights, strides, picture, asTensorFlow));
    }

    private static KnownWeights MobileNet(out int[] strides)
    {
        // An eighth of each width, at least 8, in steps of 8, and not less than nine tenths of it.
        int[] widths = [8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 16, 16, 16, 24, 24, 24, 40];
        strides = [2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1];
        var weights = new KnownWeights(4);
        weights.AddConvolution("mobilenet_v2.conv_stem.first_conv", 8, 3, 3);
        weights.AddConvolution("mobilenet_v2.conv_stem.conv_3x3", 8, 1, 3);
        weights.AddConvolution("mobilenet_v2.conv_stem.reduce_1x1", 8, 8, 1);
        for (var i = 0; i < 16; i++)
        {
            var inner = 2 * widths[i];
            weights.AddConvolution($"mobilenet_v2.layer.{i}.expand_1x1", inner, widths[i], 1);
            weights.AddConvolution($"mobilenet_v2.layer.{i}.conv_3x3", inner, 1, 3);
            weights.AddConvolution($"mobilenet_v2.layer.{i}.reduce_1x1", widths[i + 1], inner, 1);
        }

        weights.AddConvolution("mobilenet_v2.conv_1x1", 160, 40, 1);
        return weights;
    }

    private static double[] MobileReference(KnownWeights weights, int[] strides, double[][][] picture, bool asTensorFlow)
    {
        double[][][] Step(double[][][] x, string name, int stride, bool active)
        {
            var y = Normed(weights, x, "mobilenet_v2." + name, stride, 1e-3, asTensorFlow);
            return active ? Reference.Map(y, value => Math.Clamp(value, 0, 6)) : y;
        }

        var x = Step(Step(Step(picture, "conv_stem.first_conv", 2, true), "conv_stem.conv_3x3", 1, true), "conv_stem.reduce_1x1", 1, false);
        for (var i = 0; i < 16; i++)
        {
            var y = Step(Step(Step(x, $"layer.{i}.expand_1x1", 1, true), $"layer.{i}.conv_3x3", strides[i], true), $"layer.{i}.reduce_1x1", 1, false);
            x = strides[i] == 1 && y.Length == x.Length ? [.. y.Zip(x, Reference.Add)] : y;
        }

        return Reference.Mean(Step(x, "conv_1x1", 1, true));
    }

    // A convolution and its normalisation; filters over one channel each where the weight has one input.
    private static double[][][] Normed(KnownWeights weights, double[][][] x, string name, int stride, double epsilon, bool asTensorFlow)
    {
        var shape = weights.ShapeOf(name + ".convolution.weight");
        var (outputs, side, length) = ((int)shape[0], (int)shape[2], x[0].Length);
        var total = asTensorFlow ? Math.Max(0, ((((length + stride - 1) / stride) - 1) * stride) + side - length) : 2 * (side / 2);
        var border = (total / 2, total / 2, total - (total / 2), total - (total / 2));
        return Reference.BatchNorm(Reference.Convolution(x, weights[name + ".convolution.weight"], null, outputs, side, stride, border, x.Length / (int)shape[1]), weights, name + ".normalization", epsilon);
    }

    private static double[][][] MaxPool(double[][][] x) => Array.ConvertAll(x, channel => Enumerable.Range(0, (channel.Length + 1) / 2).Select(r => Enumerable.Range(0, (channel[0].Length + 1) / 2).Select(c =>
        (from y in Enumerable.Range((2 * r) - 1, 3) from z in Enumerable.Range((2 * c) - 1, 3) where y >= 0 && y < channel.Length && z >= 0 && z < channel[0].Length select channel[y][z]).Max()).ToArray()).ToArray());

    internal static KnownWeights Transformer(string type)
    {
        var (clip, dino) = (type.StartsWith("clip", StringComparison.Ordinal), type.StartsWith("dinov2", StringComparison.Ordinal));
        var weights = new KnownWeights(5);
        if (clip)
        {
            weights.Add("vision_model.embeddings.class_embedding", 0, 1, Hidden);
            weights.Add("vision_model.embeddings.position_embedding.weight", 0, 1, (Own * Own) + 1, Hidden);
            weights.Add("vision_model.embeddings.patch_embedding.weight", 0, 0.3, Hidden, 3, Patch, Patch);
            weights.AddNorm("vision_model.pre_layrnorm", Hidden);
            weights.AddNorm("vision_model.post_layernorm", Hidden);
            weights.Add("visual_projection.weight", 0, 0.5, 6, Hidden);
            if (type == "clip")
            {
                weights.Add("text_model.final_layer_norm.bias", 0, 1, 4);
                weights.Add("logit_scale", 0, 1, 1);
            }
        }
        else
        {
            weights.Add("embeddings.cls_token", 0, 1, 1, 1, Hidden);
            weights.Add("embeddings.position_embeddings", 0, 1, 1, (Own * Own) + 1, Hidden);
            weights.Add("embeddings.patch_embeddings.projection.weight", 0, 0.3, Hidden, 3, Patch, Patch);
            weights.Add("embeddings.patch_embeddings.projection.bias", 0, 0.3, Hidden);
            weights.AddNorm("layernorm", Hidden);
            weights.Add("pooler.dense.bias", 0, 1, Hidden);
        }

        if (type == "dinov2_with_registers")
        {
            weights.Add("embeddings.register_tokens", 0, 1, 1, 3, Hidden);
        }

        foreach (var names in Enumerable.Range(0, Layers).Select(i => NamesOf(type, i)))
        {
            weights.AddNorm(names[0], Hidden);
            foreach (var name in names[1..5])
            {
                weights.AddLinear(name, Hidden, Hidden);
            }

            weights.AddNorm(names[5], Hidden);
            weights.AddLinear(names[6], dino ? 2 * Hidden : Inner, Hidden);
            weights.AddLinear(names[7], Hidden, dino ? 2 * Hidden : Inner);
            foreach (var name in names[8..])
            {
                weights.Add(name, 0.5, 0.3, Hidden);
            }
        }

        return weights;
    }

    internal static string TransformerConfig(string type)
    {
        var tower = $$"""
            "hidden_size": {{Hidden}}, "num_attention_heads": {{Heads}}, "num_hidden_layers": {{Layers}}, "intermediate_size": {{Inner}}, "mlp_ratio": 2, "patch_size": {{Patch}}, "image_size": {{Own * Patch}},
            "layer_norm_eps": 1e-5, "num_register_tokens": 3, "projection_dim": 6
            """;
        return type == "clip" ? $$"""{"model_type": "clip", "projection_dim": 6, "vision_config": { {{tower}} } }""" : $$"""{"model_type": "{{type}}", {{tower}} }""";
    }

    private static string[] NamesOf(string type, int i) => type switch
    {
        "vit" => [.. ((string[])["layernorm_before", "attention.attention.query", "attention.attention.key", "attention.attention.value", "attention.output.dense", "layernorm_after", "intermediate.dense", "output.dense"])
            .Select(name => $"encoder.layer.{i}.{name}")],
        "dinov2" or "dinov2_with_registers" => [.. ((string[])["norm1", "attention.attention.query", "attention.attention.key", "attention.attention.value", "attention.output.dense", "norm2", "mlp.fc1", "mlp.fc2",
            "layer_scale1.lambda1", "layer_scale2.lambda1"]).Select(name => $"encoder.layer.{i}.{name}")],
        _ => [.. ((string[])["layer_norm1", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "layer_norm2", "mlp.fc1", "mlp.fc2"]).Select(name => $"vision_model.encoder.layers.{i}.{name}")],
    };

    private static double[] TransformerReference(KnownWeights weights, string type, bool mean, double[][][] picture)
    {
        const double Epsilon = 1e-5;
        var clip = type.StartsWith("clip", StringComparison.Ordinal);
        var prefix = clip ? "vision_model." : "";
        var patch = clip ? "vision_model.embeddings.patch_embedding" : "embeddings.patch_embeddings.projection";
        var map = Reference.Convolution(picture, weights[patch + ".weight"], clip ? null : weights[patch + ".bias"], Hidden, Patch, Patch, (0, 0, 0, 0));
        var side = map[0].Length;
        var table = weights[clip ? "vision_model.embeddings.position_embedding.weight" : "embeddings.position_embeddings"].Chunk(Hidden).ToArray();
        var first = weights[clip ? "vision_model.embeddings.class_embedding" : "embeddings.cls_token"].Zip(table[0], (a, b) => a + b).ToArray();
        var x = new List<double[]> { first };
        if (type == "dinov2_with_registers")
        {
            x.AddRange(weights["embeddings.register_tokens"].Chunk(Hidden));
        }

        for (var t = 0; t < side * side; t++)
        {
            x.Add([.. Enumerable.Range(0, Hidden).Select(c => map[c][t / side][t % side] + Position(table, c, t / side, t % side, side))]);
        }

        var rows = x.ToArray();
        rows = clip ? Reference.Norm(rows, weights, "vision_model.pre_layrnorm", Epsilon) : rows;
        foreach (var names in Enumerable.Range(0, Layers).Select(i => NamesOf(type, i)))
        {
            var y = Reference.Norm(rows, weights, names[0], Epsilon);
            double[][] Part(int i) => Reference.Linear(y, weights, names[i]);
            double[][] Scaled(double[][] z, int i) => names.Length > 8 ? Array.ConvertAll(z, row => row.Zip(weights[names[i]], (a, b) => a * b).ToArray()) : z;
            rows = Reference.Add(rows, Scaled(Reference.Linear(Reference.Attention(Part(1), Part(2), Part(3), Heads), weights, names[4]), 8));
            var up = Reference.Map(Reference.Linear(Reference.Norm(rows, weights, names[5], Epsilon), weights, names[6]), value => clip ? value / (1 + Math.Exp(-1.702 * value)) : Reference.Gelu(value));
            rows = Reference.Add(rows, Scaled(Reference.Linear(up, weights, names[7]), 9));
        }

        var normed = Reference.Norm(rows, weights, prefix + (clip ? "post_layernorm" : "layernorm"), Epsilon);
        var states = clip && mean ? rows : normed;
        var patches = states[^(side * side)..];
        var vector = mean ? [.. Enumerable.Range(0, Hidden).Select(c => patches.Average(row => row[c]))] : states[0];
        return clip && !mean ? Reference.Linear([vector], weights, "visual_projection")[0] : vector;
    }

    // Learned for 2 × 2 patches; cubic between them (Keys' kernel with -3/4), edges repeated.
    private static double Position(double[][] table, int c, int row, int column, int side)
    {
        if (side == Own)
        {
            return table[1 + (row * Own) + column][c];
        }

        static double Kernel(double x) => Math.Abs(x) switch
        {
            <= 1 and var a => (1.25 * a * a * a) - (2.25 * a * a) + 1,
            < 2 and var a => (-0.75 * a * a * a) + (3.75 * a * a) - (6 * a) + 3,
            _ => 0,
        };
        var (y, z) = (((row + 0.5) * Own / side) - 0.5, ((column + 0.5) * Own / side) - 0.5);
        var sum = 0.0;
        for (var i = (int)Math.Floor(y) - 1; i <= (int)Math.Floor(y) + 2; i++)
        {
            for (var j = (int)Math.Floor(z) - 1; j <= (int)Math.Floor(z) + 2; j++)
            {
                sum += Kernel(y - i) * Kernel(z - j) * table[1 + (Math.Clamp(i, 0, Own - 1) * Own) + Math.Clamp(j, 0, Own - 1)][c];
            }
        }

        return sum;
    }

    private static void Compare(string folder, TokenPooling pooling, int side, Func<double[][][], double[]> reference)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = PretrainedImageModel.Open(folder, pooling, CPU);
        manual_seed(3);
        var pictures = randn(2, 3, side, side);
        var features = model.Forward(pictures);
        var values = pictures.data<float>().ToArray();
        for (var p = 0; p < 2; p++)
        {
            double[][][] picture = [.. Enumerable.Range(0, 3).Select(c => Enumerable.Range(0, side).Select(y => Enumerable.Range(0, side).Select(x => (double)values[(((((p * 3) + c) * side) + y) * side) + x]).ToArray()).ToArray())];
            var expected = reference(picture);
            var made = features[p].data<float>().ToArray();
            Assert.HasCount(expected.Length, made);
            Assert.IsLessThan(1e-4, expected.Zip(made, (a, b) => Math.Abs(a - b) / Math.Max(1, Math.Abs(a))).Max());
        }
    }
}
