using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Moodle.Attention;
using Moodle.Attention.Bench;
using Moodle.Runtime;
using Moodle.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Moodle.Cli;

/// <summary><c>moodle bench attention</c>: AnchorAttention against dense attention.</summary>
internal static class BenchAttentionCommand
{
    private const string Train = "train";

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var defaults = new AnchorAttentionOptions();
        var lengths = new Option<int[]?>("--lengths") { HelpName = "N,N,...", CustomParser = Lengths, Description = "Tokens of a sequence; by default 1024,2048,4096,8192, or a file's own lengths." };
        var heads = Whole("--heads", 1, 8, "Attention heads.");
        var dim = new Option<int>("--dim") { HelpName = "D", DefaultValueFactory = _ => 64, CustomParser = HeadSize, Description = "Size of a head, a multiple of 8 up to 128." };
        var theta = new Option<double>("--theta") { HelpName = "NATS", DefaultValueFactory = _ => defaults.Theta, CustomParser = Theta, Description = "How far below the anchor a key may lie; inf takes every key." };
        var block = Whole("--block", 1, defaults.Block, "Rows whose mean query chooses stripes.");
        var step = Whole("--step", 1, defaults.Step, "Blocks that share a list of stripes.");
        var init = Whole("--init", 0, defaults.Init, "Keys at the start that every row attends to.");
        var local = Whole("--local", 0, defaults.Local, "Keys before and after a group that its rows attend to.");
        var causal = new Option<bool>("--causal") { Description = "Rows attend to earlier positions and themselves only." };
        var implementation = new Option<AttentionImplementation?>("--implementation")
        {
            HelpName = "auto|reference|cpu|cuda",
            CustomParser = Implementation,
            Description = "Who computes AnchorAttention; by default cpu, on a GPU cuda.",
        };
        var type = new Option<ScalarType?>("--dtype") { HelpName = "float32|bfloat16|float16", CustomParser = Type, Description = "The type of queries, keys and values; by default float32, or a file's own; on a GPU bfloat16." };
        var deterministic = new Option<bool>("--deterministic") { Description = "CUDA kernels add up gradients in an order that is always the same." };
        var device = new Option<string>("--device") { HelpName = "D", DefaultValueFactory = _ => "cpu", Description = "cpu, cuda or cuda:N." };
        var mode = new Option<string>("--mode") { HelpName = "forward|train", DefaultValueFactory = _ => "forward", CustomParser = Mode, Description = "Forward alone, or with the gradients of q, k and v." };
        var input = new Option<string>("--input") { HelpName = "random|structured|FILE", DefaultValueFactory = _ => "structured", Description = "What is attended to; FILE.safetensors holds captured q, k and v." };
        var seed = Whole("--seed", 0, 1, "Seed of random and structured inputs.");
        var threads = Whole("--threads", 0, 0, "CPU threads; 0 takes all cores.");
        var json = new Option<string?>("--json") { HelpName = "FILE", Description = "Also write the rows to this file." };
        var capture = new Option<string?>("--capture") { HelpName = "RUN", Description = "Measure nothing: write q, k and v of a run's trained text encoder to the file of --out." };
        var documents = Whole("--documents", 1, 4, "How many of the longest documents --capture takes.");
        var captured = new Option<string?>("--out") { HelpName = "FILE", Description = "The safetensors file that --capture writes." };
        var command = new Command("attention", "Measure AnchorAttention against dense attention: density, recall, error and speed.")
        {
            lengths, heads, dim, theta, block, step, init, local, causal, implementation, deterministic, device, type, mode, input, seed, threads, json, capture, documents, captured,
        };
        command.SetAction(result =>
        {
            if (result.GetValue(capture) is { } run)
            {
                var file = result.GetValue(captured) ?? throw new InputException("--capture needs --out FILE.safetensors, the file to write");
                var tokens = AttentionCapture.Write(run, file, result.GetValue(documents));
                Console.WriteLine($"{file}: {tokens.Count} documents of {string.Join(", ", tokens)} tokens; measure with --input {file}");
                return 0;
            }

            if (result.GetValue(captured) is not null)
            {
                throw new InputException("--out belongs to --capture RUN; rows go to --json FILE");
            }

            var place = Devices.Parse(result.GetRequiredValue(device));
            var onGpu = place.type == DeviceType.CUDA;
            var options = new AnchorAttentionOptions
            {
                Block = result.GetValue(block),
                Step = result.GetValue(step),
                Init = result.GetValue(init),
                Local = result.GetValue(local),
                Theta = result.GetValue(theta),
                Causal = result.GetValue(causal),
                Deterministic = result.GetValue(deterministic),
                Implementation = result.GetValue(implementation) ?? (onGpu ? AttentionImplementation.Cuda : AttentionImplementation.Cpu),
            };
            options.Validate();
            Devices.SetThreads(result.GetValue(threads));
            using var console = new ProgressConsole();
            using var interrupt = new Interrupt(console, "stopping");
            var source = AttentionSource.Open(result.GetRequiredValue(input), result.GetValue(lengths) is { Length: > 0 } given ? given : null, result.GetValue(heads), result.GetValue(dim), result.GetValue(seed));
            var bench = new AttentionBench(options, place, result.GetValue(type) ?? (onGpu ? ScalarType.BFloat16 : null), result.GetValue(mode) == Train, (task, done, most) => console.Progress(task, done, most, "rounds"), interrupt.Token);
            AttentionBenchRow[] rows = [.. source.Select(bench.Run)];
            console.Clear();
            // Shown first: a file that cannot be written must not cost the figures.
            AttentionBenchTable.Print(rows);
            if (result.GetValue(json) is { } path)
            {
                AttentionBenchTable.WriteJson(path, rows);
            }

            return 0;
        });
        return command;
    }

    private static Option<int> Whole(string name, int least, int standard, string description) =>
        new(name) { HelpName = "N", DefaultValueFactory = _ => standard, CustomParser = result => CommonOptions.Whole(result, least), Description = description };

    private static int[]? Lengths(ArgumentResult result)
    {
        var parts = Text(result).Split(',', StringSplitOptions.TrimEntries);
        var lengths = new int[parts.Length];
        for (var i = 0; i < parts.Length; i++)
        {
            if (!int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out lengths[i]) || lengths[i] < 1)
            {
                result.AddError($"--lengths: '{parts[i]}' is no whole number of at least 1; expected lengths parted by commas, such as 1024,4096");
                return null;
            }
        }

        return lengths;
    }

    private static int HeadSize(ArgumentResult result)
    {
        if (int.TryParse(Text(result), NumberStyles.None, CultureInfo.InvariantCulture, out var size) && size is >= 8 and <= 128 && size % 8 == 0)
        {
            return size;
        }

        result.AddError($"--dim: '{Text(result)}' is no size of a head; expected a multiple of 8 up to 128");
        return default;
    }

    private static double Theta(ArgumentResult result)
    {
        var text = Text(result);
        if (text is "inf" or "infinity")
        {
            return double.PositiveInfinity;
        }

        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var theta) && double.IsFinite(theta))
        {
            return theta;
        }

        result.AddError($"--theta: '{text}' is no number; expected nats, such as 12, or inf to take every key");
        return default;
    }

    private static AttentionImplementation? Implementation(ArgumentResult result)
    {
        var text = Text(result);
        foreach (var each in Enum.GetValues<AttentionImplementation>())
        {
            if (AttentionBenchTable.NameOf(each) == text)
            {
                return each;
            }
        }

        result.AddError($"--implementation: '{text}' is unknown; expected auto, reference, cpu or cuda");
        return null;
    }

    private static ScalarType? Type(ArgumentResult result)
    {
        switch (Text(result))
        {
            case "float32":
                return ScalarType.Float32;
            case "bfloat16":
                return ScalarType.BFloat16;
            case "float16":
                return ScalarType.Float16;
            default:
                result.AddError($"--dtype: '{Text(result)}' is unknown; expected float32, bfloat16 or float16");
                return null;
        }
    }

    private static string Mode(ArgumentResult result)
    {
        if (Text(result) is not ("forward" or Train))
        {
            result.AddError($"--mode: '{Text(result)}' is no mode; expected forward or train");
        }

        return Text(result);
    }

    private static string Text(ArgumentResult result) => result.Tokens is [.., var token] ? token.Value : "";
}
