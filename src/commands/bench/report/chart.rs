//! Axes and curves.

use std::fmt::Write;

/// The number of nines of 50 %.
const HALF: f64 = std::f64::consts::LOG10_2;

/// From values to places.
pub(super) struct Axis {
    is_logarithmic: bool,
    values: (f64, f64),
    places: (f64, f64),
}

/// One line through points.
pub(super) struct Curve {
    pub(super) name: String,
    pub(super) colour: &'static str,
    /// Number of nines, and microseconds.
    pub(super) points: Vec<(f64, f64)>,
}

impl Axis {
    /// Equal steps are equal differences.
    pub(super) fn linear(values: (f64, f64), places: (f64, f64)) -> Self {
        Axis {
            is_logarithmic: false,
            values,
            places,
        }
    }

    /// Equal steps are equal factors; widened to 1, 2 or 5 times a power of ten.
    pub(super) fn logarithmic(values: (f64, f64), places: (f64, f64)) -> Self {
        let ticks = ticks(values.0, values.1);
        let first = ticks.first().copied().unwrap_or(1.0);
        let last = ticks.last().copied().unwrap_or(10.0);
        Axis {
            is_logarithmic: true,
            values: (first, last),
            places,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let scale = |value: f64| match self.is_logarithmic {
            true => value.log10(),
            false => value,
        };
        let (from, to) = (scale(self.values.0), scale(self.values.1));
        let share = (scale(value) - from) / (to - from);
        self.places.0 + share * (self.places.1 - self.places.0)
    }
}

/// 1, 2 and 5 times powers of ten around these values; powers of ten alone where these would be too many. At least two.
fn ticks(lowest: f64, highest: f64) -> Vec<f64> {
    let wide = highest / lowest > 1_000.0;
    let steps: &[f64] = if wide { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let mut all = Vec::new();
    for exponent in 0..=10 {
        for step in steps {
            all.push(step * 10f64.powi(exponent));
        }
    }
    let first = all.iter().rposition(|tick| *tick <= lowest).unwrap_or(0);
    let last = all.iter().position(|tick| *tick >= highest);
    let last = last
        .unwrap_or(all.len() - 1)
        .max(first + 1)
        .min(all.len() - 1);
    all[first.min(last - 1)..=last].to_vec()
}

/// Grid and labels. `x` counts nines; `show` writes a value of `y`.
pub(super) fn put_axes(out: &mut String, x: &Axis, y: &Axis, show: &dyn Fn(f64) -> String) {
    let (left, right) = x.places;
    let (bottom, top) = y.places;
    for tick in ticks(y.values.0, y.values.1) {
        let at = y.place(tick);
        let _ = writeln!(
            out,
            "<line x1=\"{left}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"#e4e4e4\"/>\n\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" font-size=\"11\" fill=\"#555\">{}</text>",
            left - 8.0,
            at + 4.0,
            label(tick, show)
        );
    }
    let marks = [
        (0.0, "0 %"),
        (HALF, "50 %"),
        (1.0, "90 %"),
        (2.0, "99 %"),
        (3.0, "99.9 %"),
        (4.0, "99.99 %"),
        (5.0, "99.999 %"),
    ];
    for (nines, name) in marks {
        // Those at the left would stand on each other where the axis is long.
        let is_crowded = nines == 0.0 && x.place(HALF) - x.place(0.0) < 40.0;
        if nines > x.values.1 + 1e-9 || is_crowded {
            continue;
        }
        let at = x.place(nines);
        let _ = writeln!(
            out,
            "<line x1=\"{at:.1}\" y1=\"{top}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"#e4e4e4\"/>\n\
             <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\" fill=\"#555\">{name}</text>",
            bottom + 18.0
        );
    }
}

/// A tick is a round number: without digits that say nothing.
fn label(tick: f64, show: &dyn Fn(f64) -> String) -> String {
    show(tick).replace(".00 ", " ")
}

/// The curve through its points.
pub(super) fn put_curve(out: &mut String, curve: &Curve, x: &Axis, y: &Axis) {
    let mut points = String::new();
    for (nines, microseconds) in &curve.points {
        let _ = write!(
            points,
            "{:.1},{:.1} ",
            x.place(*nines),
            y.place(*microseconds)
        );
    }
    let _ = writeln!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
        points.trim_end(),
        curve.colour
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_enclose_all_values() {
        for (lowest, highest) in [
            (1.0, 1.0),
            (85.0, 930.0),
            (100.0, 100.0),
            (3.0, 2e6),
            (2e9, 9e9),
            (1.0, 4e10),
        ] {
            let ticks = ticks(lowest, highest);
            assert!(ticks.len() >= 2 && ticks.len() <= 14, "{ticks:?}");
            assert!(ticks[0] <= lowest, "{ticks:?}");
            assert!(highest <= 1e10 && ticks[ticks.len() - 1] >= highest || highest > 1e10);
            assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn places_are_between_the_ends() {
        let axis = Axis::logarithmic((85.0, 930.0), (200.0, 0.0));
        assert_eq!(axis.place(50.0), 200.0);
        assert_eq!(axis.place(1_000.0), 0.0);
        let axis = Axis::linear((0.0, 4.0), (10.0, 50.0));
        assert_eq!(axis.place(1.0), 20.0);
    }
}
