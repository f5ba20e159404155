//! Numbers over time: histograms and counters that are added to, and what is looked at when they are sent.
//!
//! Every instrument has at most [`SERIES_MAX`] series; what would be one more is counted together in one series that has
//! the attribute `otel.metric.overflow`, as the OpenTelemetry specification has it. Sums are cumulative since the start of
//! the process, so a request that is lost loses nothing but a point in time.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use opentelemetry_proto::tonic::metrics::v1 as wire;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;

use crate::attributes::{Label, key_value};

/// Series of one instrument; what would be another is counted in one series of its own.
const SERIES_MAX: usize = 128;

/// Limits of buckets for durations in seconds: those that the semantic conventions advise for HTTP, and longer ones.
pub const SECONDS: [f64; 17] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 60.0, 600.0, 3600.0,
];

/// A histogram over [`SECONDS`].
#[derive(Debug)]
pub struct HistogramKind {
    /// Its name.
    pub name: &'static str,
    /// What it is, for people.
    pub description: &'static str,
}

/// A sum that only grows.
#[derive(Debug)]
pub struct CounterKind {
    /// Its name.
    pub name: &'static str,
    /// What is counted, as `{run}`.
    pub unit: &'static str,
    /// What it is, for people.
    pub description: &'static str,
}

/// A number that is looked at.
#[derive(Debug, Clone)]
pub struct GaugeKind {
    /// Its name.
    pub name: Cow<'static, str>,
    /// What is counted, as `{run}`.
    pub unit: &'static str,
    /// What it is, for people.
    pub description: &'static str,
    /// Whether it is a sum that only grows.
    pub grows: bool,
}

type Labels = Vec<(&'static str, Label)>;

/// Instruments that are added to.
#[derive(Debug, Default)]
pub struct Metrics {
    histograms: Mutex<BTreeMap<&'static str, Series<Buckets>>>,
}

#[derive(Debug)]
struct Series<T> {
    description: &'static str,
    by_labels: BTreeMap<Labels, T>,
}

#[derive(Debug, Clone, Default)]
struct Buckets {
    count: u64,
    sum: f64,
    buckets: [u64; SECONDS.len() + 1],
}

impl Buckets {
    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        let place = SECONDS
            .iter()
            .position(|limit| value <= *limit)
            .unwrap_or(SECONDS.len());
        if let Some(bucket) = self.buckets.get_mut(place) {
            *bucket += 1;
        }
    }
}

impl Metrics {
    /// Adds a duration in seconds.
    pub fn record(&self, kind: &'static HistogramKind, seconds: f64, labels: &[(&'static str, Label)]) {
        let mut histograms = self.histograms.lock().unwrap_or_else(PoisonError::into_inner);
        let series = histograms.entry(kind.name).or_insert_with(|| Series {
            description: kind.description,
            by_labels: BTreeMap::new(),
        });
        if let Some(buckets) = series.by_labels.get_mut(labels) {
            return buckets.add(seconds);
        }
        let labels = match series.by_labels.len() < SERIES_MAX {
            true => labels.to_vec(),
            false => vec![("otel.metric.overflow", Label::Flag(true))],
        };
        series.by_labels.entry(labels).or_default().add(seconds);
    }

    /// All of them as they stand.
    pub(crate) fn collect(&self, from_ns: u64, now_ns: u64) -> Vec<wire::Metric> {
        let histograms = self.histograms.lock().unwrap_or_else(PoisonError::into_inner);
        let metric = |(name, series): (&&'static str, &Series<Buckets>)| wire::Metric {
            name: (*name).to_owned(),
            description: series.description.to_owned(),
            unit: "s".to_owned(),
            data: Some(Data::Histogram(wire::Histogram {
                data_points: series
                    .by_labels
                    .iter()
                    .map(|(labels, buckets)| point(labels, buckets, from_ns, now_ns))
                    .collect(),
                aggregation_temporality: wire::AggregationTemporality::Cumulative.into(),
            })),
            ..wire::Metric::default()
        };
        histograms.iter().map(metric).collect()
    }
}

fn point(labels: &Labels, buckets: &Buckets, from_ns: u64, now_ns: u64) -> wire::HistogramDataPoint {
    wire::HistogramDataPoint {
        attributes: labels
            .iter()
            .map(|(key, label)| key_value(key, label.clone()))
            .collect(),
        start_time_unix_nano: from_ns,
        time_unix_nano: now_ns,
        count: buckets.count,
        sum: Some(buckets.sum),
        bucket_counts: buckets.buckets.to_vec(),
        explicit_bounds: SECONDS.to_vec(),
        ..wire::HistogramDataPoint::default()
    }
}

/// What is looked at when metrics are sent.
#[derive(Debug, Default)]
pub struct Observed(BTreeMap<Cow<'static, str>, Seen>);

type Seen = (GaugeKind, Vec<(Labels, u64)>);

impl Observed {
    /// One number, under labels of closed sets.
    pub fn see(&mut self, kind: GaugeKind, labels: &[(&'static str, Label)], value: u64) {
        let (_, points) = self
            .0
            .entry(kind.name.clone())
            .or_insert_with(|| (kind, Vec::new()));
        if points.len() < SERIES_MAX {
            points.push((labels.to_vec(), value));
        }
    }

    /// One number of a counter.
    pub fn count(&mut self, kind: &CounterKind, labels: &[(&'static str, Label)], value: u64) {
        let gauge = GaugeKind {
            name: Cow::Borrowed(kind.name),
            unit: kind.unit,
            description: kind.description,
            grows: true,
        };
        self.see(gauge, labels, value);
    }

    pub(crate) fn collect(self, from_ns: u64, now_ns: u64) -> Vec<wire::Metric> {
        self.0
            .into_values()
            .map(|(kind, points)| {
                let data_points = points
                    .into_iter()
                    .map(|(labels, value)| wire::NumberDataPoint {
                        attributes: labels
                            .into_iter()
                            .map(|(key, label)| key_value(key, label))
                            .collect(),
                        start_time_unix_nano: if kind.grows { from_ns } else { 0 },
                        time_unix_nano: now_ns,
                        value: Some(Value::AsInt(i64::try_from(value).unwrap_or(i64::MAX))),
                        ..wire::NumberDataPoint::default()
                    })
                    .collect();
                wire::Metric {
                    name: kind.name.into_owned(),
                    description: kind.description.to_owned(),
                    unit: kind.unit.to_owned(),
                    data: Some(match kind.grows {
                        true => Data::Sum(wire::Sum {
                            data_points,
                            aggregation_temporality: wire::AggregationTemporality::Cumulative.into(),
                            is_monotonic: true,
                        }),
                        false => Data::Gauge(wire::Gauge { data_points }),
                    }),
                    ..wire::Metric::default()
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static KIND: HistogramKind = HistogramKind {
        name: "test.duration",
        description: "A test.",
    };

    fn points(metrics: &Metrics) -> Vec<wire::HistogramDataPoint> {
        let mut all = metrics.collect(1, 2);
        match all.pop().unwrap().data.unwrap() {
            Data::Histogram(histogram) => histogram.data_points,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_duration_is_counted_in_the_bucket_of_its_size() {
        let metrics = Metrics::default();
        for seconds in [0.001, 0.005, 0.3, 100_000.0] {
            metrics.record(&KIND, seconds, &[("a", "x".into())]);
        }
        let [point] = points(&metrics).try_into().unwrap();
        assert_eq!(point.count, 4);
        assert_eq!(point.bucket_counts.first(), Some(&2));
        assert_eq!(point.bucket_counts.last(), Some(&1));
        assert_eq!(point.bucket_counts.iter().sum::<u64>(), 4);
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    }

    #[test]
    fn labels_without_bound_end_in_one_series() {
        let metrics = Metrics::default();
        for name in 0..SERIES_MAX + 50 {
            metrics.record(&KIND, 1.0, &[("name", format!("{name}").into())]);
        }
        let points = points(&metrics);
        assert_eq!(points.len(), SERIES_MAX + 1);
        let overflow = points.iter().find(|point| {
            point
                .attributes
                .iter()
                .any(|pair| pair.key == "otel.metric.overflow")
        });
        assert_eq!(overflow.unwrap().count, 50);
    }
}
