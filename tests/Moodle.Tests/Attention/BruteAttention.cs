using Moodle.Attention;
using static Moodle.Tests.Models.Numbers;
using static TorchSharp.torch;

namespace Moodle.Tests.Attention;

/// <summary>AnchorAttention of one head of one sequence, written out in float64 from its definition, pair by pair.</summary>
internal sealed class BruteAttention
{
    private readonly AnchorAttentionOptions _options;
    private readonly double[][] _q;
    private readonly double[][] _k;
    private readonly double[][] _v;
    private readonly double[][] _logits;
    private readonly (double Anchor, double[] Logits)[] _blocks;

    /// <summary>Takes one head, [n, d] each.</summary>
    public BruteAttention(AnchorAttentionOptions options, Tensor q, Tensor k, Tensor v)
    {
        (_options, _q, _k, _v) = (options, Rows(q), Rows(k), Rows(v));
        _logits = [.. _q.Select(query => _k.Select(key => Dot(query, key) / Math.Sqrt(query.Length)).ToArray())];
        _blocks = [.. Blocks()];
        Attended = [.. _q.Select((_, i) => _q.Select((_, j) => Allowed(i, j) && (InRegion(i, j) || Scores(i, j).Any(score => !(score > options.Theta)))).ToArray())];
        Probabilities = [.. Attended.Select((row, i) =>
        {
            var logP = LogSoftmax([.. row.Select((taken, j) => taken ? _logits[i][j] : double.NegativeInfinity)]);
            return logP.Select(Math.Exp).ToArray();
        })];
        var columns = Enumerable.Range(0, _v[0].Length).Select(c => _v.Select(row => row[c]).ToArray()).ToArray();
        Output = [.. Probabilities.Select(row => columns.Select(column => Dot(row, column)).ToArray())];
    }

    /// <summary>Whether row i attends to key j.</summary>
    public bool[][] Attended { get; }

    /// <summary>The softmax over attended keys.</summary>
    public double[][] Probabilities { get; }

    /// <summary>[n][d].</summary>
    public double[][] Output { get; }

    /// <summary>All pairs that may attend.</summary>
    public IEnumerable<(int Row, int Key)> Pairs => from i in Enumerable.Range(0, _q.Length) from j in Enumerable.Range(0, _q.Length) where Allowed(i, j) select (i, j);

    /// <summary>Mean anchor minus mean logit of every (block, candidate).</summary>
    public IEnumerable<double> AllScores() =>
        from first in Enumerable.Range(0, (_q.Length + GroupRows - 1) / GroupRows)
        from j in Enumerable.Range(0, _q.Length)
        let row = Math.Min(_q.Length, (first + 1) * GroupRows) - 1
        where Allowed(row, j) && !InRegion(row, j)
        from score in Scores(row, j)
        select score;

    /// <summary>Gradients of q, k and v, [n][d] each, the selection held fixed.</summary>
    public (double[][] Q, double[][] K, double[][] V) Gradients(Tensor grad)
    {
        var g = Rows(grad);
        var scale = 1 / Math.Sqrt(_q[0].Length);
        double[][] Zeros() => [.. _q.Select(row => new double[row.Length])];
        var (dq, dk, dv) = (Zeros(), Zeros(), Zeros());
        for (var i = 0; i < _q.Length; i++)
        {
            var dp = _v.Select(row => Dot(g[i], row)).ToArray();
            var mean = Dot(Probabilities[i], dp);
            for (var j = 0; j < _q.Length; j++)
            {
                var p = Probabilities[i][j];
                if (p == 0)
                {
                    continue;
                }

                for (var c = 0; c < _q[0].Length; c++)
                {
                    dv[j][c] += p * g[i][c];
                    dq[i][c] += p * (dp[j] - mean) * scale * _k[j][c];
                    dk[j][c] += p * (dp[j] - mean) * scale * _q[i][c];
                }
            }
        }

        return (dq, dk, dv);
    }

    private int GroupRows => _options.Block * _options.Step;

    private bool Allowed(int i, int j) => !_options.Causal || j <= i;

    private bool InRegion(int i, int j)
    {
        var start = i / GroupRows * GroupRows;
        var last = Math.Min(_q.Length, start + GroupRows) - 1;
        return Allowed(i, j) && (j < _options.Init || (j >= start - _options.Local && j <= last + _options.Local));
    }

    // A loop, where Numbers.Dot takes a query: this is most of the tests' time.
    private static double Dot(double[] a, double[] b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }

    // One for each block of the group of row i.
    private IEnumerable<double> Scores(int i, int j) =>
        _blocks[(i / GroupRows * _options.Step)..Math.Min(_blocks.Length, ((i / GroupRows) + 1) * _options.Step)].Select(block => block.Anchor - block.Logits[j]);

    // A block's mean anchor, and its mean logit for every key. The last group's last block may be shorter.
    private IEnumerable<(double Anchor, double[] Logits)> Blocks()
    {
        for (var first = 0; first < _q.Length; first += _options.Block)
        {
            var rows = Enumerable.Range(first, Math.Min(_options.Block, _q.Length - first)).ToArray();
            yield return (
                rows.Average(row => Enumerable.Range(0, _q.Length).Where(key => InRegion(row, key)).Max(key => _logits[row][key])),
                [.. _q.Select((_, j) => rows.Average(row => _logits[row][j]))]);
        }
    }
}
