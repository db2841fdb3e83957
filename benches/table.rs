//! The table: each row a value, the limit measured beside it, their ratio, and whether that is good enough.

use serde_json::{Value, json};

/// What a ratio should be, or a value that has no limit.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// This much or more.
    AtLeast(f64),
    /// This much or less.
    AtMost(f64),
    /// For information.
    None,
}

/// A row.
#[derive(Debug)]
pub struct Row {
    work: String,
    unit: &'static str,
    values: Vec<f64>,
    limits: Vec<f64>,
    limit_is: String,
    target: Target,
    note: String,
}

impl Row {
    /// A row of what was done, and the values of its runs in a unit.
    pub fn new(work: impl Into<String>, unit: &'static str, values: Vec<f64>) -> Self {
        Self {
            work: work.into(),
            unit,
            values,
            limits: Vec::new(),
            limit_is: String::new(),
            target: Target::None,
            note: String::new(),
        }
    }

    /// With a limit: what it is, and the values of its runs.
    pub fn limit(mut self, limit_is: impl Into<String>, limits: Vec<f64>) -> Self {
        self.limit_is = limit_is.into();
        self.limits = limits;
        self
    }

    /// With a target.
    pub fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// With more to say.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn ratio(&self) -> Option<f64> {
        let limit = median(&self.limits);
        (limit > 0.0).then(|| median(&self.values) / limit)
    }

    /// Whether the target is met; none without a target.
    pub fn met(&self) -> Option<bool> {
        let judged = self.ratio().unwrap_or_else(|| median(&self.values));
        match self.target {
            Target::AtLeast(least) => Some(judged >= least),
            Target::AtMost(most) => Some(judged <= most),
            Target::None => None,
        }
    }

    fn cells(&self) -> [String; 6] {
        let limit = if self.limits.is_empty() {
            String::new()
        } else {
            format!("{} ({})", number(median(&self.limits)), self.limit_is)
        };
        let target = match self.target {
            Target::AtLeast(least) => format!("≥ {least}"),
            Target::AtMost(most) => format!("≤ {most}"),
            Target::None => String::new(),
        };
        let met = self.met().map_or("", |met| if met { "yes" } else { "NO" });
        [
            self.work.clone(),
            format!("{} {}", number(median(&self.values)), self.unit),
            limit,
            self.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            target,
            met.to_owned(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "work": self.work,
            "unit": self.unit,
            "value": median(&self.values),
            "runs": self.values,
            "limit": (!self.limits.is_empty()).then(|| median(&self.limits)),
            "limit_is": self.limit_is,
            "limit_runs": self.limits,
            "ratio": self.ratio(),
            "target": match self.target {
                Target::AtLeast(least) => json!({ "at_least": least }),
                Target::AtMost(most) => json!({ "at_most": most }),
                Target::None => Value::Null,
            },
            "met": self.met(),
            "note": self.note,
        })
    }
}

/// The middle one of several values.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value that this share of the values does not exceed.
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1) as f64;
    sorted.get((last * share).ceil() as usize).copied().unwrap_or(f64::NAN)
}

/// With three digits that matter, or all that are before the point.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    if digits > 0 || text.len() < 5 {
        return text;
    }
    let mut grouped = String::new();
    for (index, digit) in text.chars().enumerate() {
        if index > 0 && (text.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// The table as text: aligned columns, then what there is to say of single rows.
pub fn text(rows: &[Row]) -> String {
    let mut lines = vec![["work", "value", "limit", "ratio", "target", "met"].map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let widths: Vec<usize> = (0..6)
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in &lines {
        let padded = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let padded: Vec<String> = padded.collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    for row in rows.iter().filter(|row| !row.note.is_empty()) {
        text.push_str(&format!("\n{}: {}", row.work, row.note));
    }
    text
}

/// The table as JSON.
pub fn json(rows: &[Row], seconds: f64) -> Value {
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "seconds": seconds,
        "rows": rows.iter().map(Row::json).collect::<Vec<_>>(),
    })
}
