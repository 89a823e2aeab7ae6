//! Figures of a benchmark, a drill or a conformance run: a table for people, one JSON line for programs.

use serde_json::{Value, json};

/// What a figure has to reach.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// At least this much.
    AtLeast(f64),
    /// At most this much.
    AtMost(f64),
    /// Told for comparison.
    None,
}

#[derive(Debug, Clone)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    target: Target,
}

/// The figures of one run.
#[derive(Debug, Clone)]
pub struct Report {
    name: String,
    figures: Vec<Figure>,
}

impl Target {
    fn met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(bound) => Some(value >= bound),
            Self::AtMost(bound) => Some(value <= bound),
            Self::None => None,
        }
    }

    fn words(self) -> String {
        match self {
            Self::AtLeast(bound) => format!(">= {bound}"),
            Self::AtMost(bound) => format!("<= {bound}"),
            Self::None => String::new(),
        }
    }
}

impl Report {
    /// An empty report called `name`.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), figures: Vec::new() }
    }

    /// Adds a figure.
    pub fn add(&mut self, name: impl Into<String>, value: f64, unit: &'static str, target: Target) {
        self.figures.push(Figure { name: name.into(), value, unit, target });
    }

    /// Whether every figure that has a target met it.
    pub fn all_met(&self) -> bool {
        self.figures.iter().all(|figure| figure.target.met(figure.value) != Some(false))
    }

    /// Prints the table and, as the last line, the JSON object.
    pub fn print(&self) {
        let width = self.figures.iter().map(|figure| figure.name.chars().count()).max().unwrap_or(0);
        println!("\n{}", self.name);
        for figure in &self.figures {
            let mark = match figure.target.met(figure.value) {
                Some(true) => "✔",
                Some(false) => "✘",
                None => " ",
            };
            println!(
                "{mark} {:<width$}  {:>12.2} {:<8} {}",
                figure.name,
                figure.value,
                figure.unit,
                figure.target.words()
            );
        }
        println!("{}", self.json());
    }

    fn json(&self) -> Value {
        let figures: Vec<Value> = self
            .figures
            .iter()
            .map(|figure| {
                json!({
                    "name": figure.name,
                    "value": (figure.value * 1000.0).round() / 1000.0,
                    "unit": figure.unit,
                    "target": match figure.target { Target::None => Value::Null, target => target.words().into() },
                    "met": figure.target.met(figure.value),
                })
            })
            .collect();
        json!({"name": self.name, "figures": figures})
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, Target};

    #[test]
    fn one_missed_target_is_a_missed_report() {
        let mut report = Report::new("x");
        report.add("a", 80.0, "%", Target::AtLeast(75.0));
        report.add("b", 12.0, "MB", Target::None);
        assert!(report.all_met());
        report.add("c", 41.0, "MB", Target::AtMost(40.0));
        assert!(!report.all_met());
        let json = report.json();
        assert_eq!(json["figures"][0]["met"], true);
        assert_eq!(json["figures"][1]["met"], serde_json::Value::Null);
        assert_eq!(json["figures"][2]["target"], "<= 40");
    }
}
