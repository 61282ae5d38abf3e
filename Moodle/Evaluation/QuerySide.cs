namespace Moodle.Evaluation;

/// <summary>Which end of a triple a query asks for.</summary>
public enum QuerySide
{
    /// <summary>(h, r, ?): the tail is ranked.</summary>
    Tail,

    /// <summary>(?, r, t), asked as (t, r + |R|, ?): the head is ranked.</summary>
    Head,
}
