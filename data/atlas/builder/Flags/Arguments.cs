using System.Globalization;

namespace Atlas;

/// <summary>The words of one stroke, taken from left to right.</summary>
internal sealed class Arguments
{
    private readonly string[] _words;
    private readonly double _flagWidth;
    private readonly string[] _colours;
    private readonly int _start;
    private int _next;

    /// <summary>Splits a stroke into words.</summary>
    /// <param name="stroke">The stroke's text.</param>
    /// <param name="flagWidth">The width of the flag, which percentages mean a share of.</param>
    /// <param name="colours">What <c>$1</c>, <c>$2</c> and so on stand for.</param>
    public Arguments(string stroke, double flagWidth, string[] colours)
        : this(stroke.Split(' ', StringSplitOptions.RemoveEmptyEntries), 1, flagWidth, colours)
    {
    }

    private Arguments(string[] words, int start, double flagWidth, string[] colours) =>
        (_words, _start, _next, _flagWidth, _colours) = (words, start, start, flagWidth, colours);

    /// <summary>The stroke's name.</summary>
    public string Word => _words[0];

    /// <summary>Whether words are left.</summary>
    public bool More => _next < _words.Length;

    /// <summary>The words that are left, to be taken several times.</summary>
    public Arguments Rest()
    {
        var rest = new Arguments(_words, _next, _flagWidth, _colours);
        _next = _words.Length;
        return rest;
    }

    /// <summary>The same words from their beginning.</summary>
    public Arguments Again() => new(_words, _start, _flagWidth, _colours);

    /// <summary>Any word.</summary>
    public string Text() => More ? _words[_next++] : throw new FormatException("an argument is missing");

    /// <summary>A number, or a percentage of the flag's width.</summary>
    public double Number() => Number(Text());

    /// <summary>A number, where one is left and comes before a colour.</summary>
    public double? Optional() => More && _words[_next][0] is not ('#' or '$' or 'w' or 'b') ? Number() : null;

    /// <summary>A number with a default.</summary>
    public double Number(double otherwise) => Optional() ?? otherwise;

    /// <summary>A pair of numbers, <c>x,y</c>.</summary>
    public Spot Spot()
    {
        var text = Text();
        var parts = text.Split(',');
        return parts.Length == 2 ? new(Number(parts[0]), Number(parts[1])) : throw new FormatException($"'{text}' is no pair x,y");
    }

    /// <summary>All pairs that are left.</summary>
    public Spot[] Spots()
    {
        var spots = new List<Spot>();
        while (More)
        {
            spots.Add(Spot());
        }

        return [.. spots];
    }

    /// <summary>A colour.</summary>
    public int Colour() => Colour(ColourText());

    /// <summary>A colour as text, with references resolved, to be handed on to an emblem.</summary>
    public string ColourText()
    {
        var text = Text();
        return text[0] != '$' ? text
            : text[1] - '1' is var at && at < _colours.Length ? _colours[at]
            : throw new FormatException($"no colour was given for {text}");
    }

    /// <summary>Colours with weights, <c>#RRGGBB:2</c>; the weight is 1 where none is given.</summary>
    public (int Colour, double Weight)[] Bands()
    {
        var bands = new List<(int, double)>();
        while (More)
        {
            var parts = ColourText().Split(':');
            bands.Add((Colour(parts[0]), parts.Length > 1 ? Number(parts[1]) : 1));
        }

        return [.. bands];
    }

    /// <summary>Makes sure that nothing is left over.</summary>
    public void End()
    {
        if (More)
        {
            throw new FormatException($"'{_words[_next]}' is one argument too many");
        }
    }

    private static int Colour(string text) => text switch
    {
        "white" => 0xFFFFFF,
        "black" => 0,
        _ when text.Length == 7 && text[0] == '#' => int.Parse(text.AsSpan(1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture),
        _ => throw new FormatException($"'{text}' is no colour, expected #RRGGBB, white or black"),
    };

    private double Number(string text)
    {
        var share = text[^1] == '%';
        return double.TryParse(share ? text.AsSpan(0, text.Length - 1) : text, CultureInfo.InvariantCulture, out var number)
            ? share ? number / 100 * _flagWidth : number
            : throw new FormatException($"'{text}' is no number");
    }
}
