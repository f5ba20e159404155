//! Schedules as people see them: what the newest releases say, beside what the store remembers.

use std::collections::HashMap;

use flowforge_store::{Schedule, SchedulePast};
use flowforge_workflow::model::{Timetable, TriggerKind};

use crate::app::App;
use crate::timetables::{MAX_DUE_MS, fingerprint, next};

/// A schedule with its time table.
pub(crate) struct Planned {
    pub(crate) workflow: String,
    pub(crate) trigger: String,
    pub(crate) times: Timetable,
    pub(crate) past: SchedulePast,
    /// The first time that is to come, if there is one.
    next_due_ms: Option<u64>,
}

impl Planned {
    /// The times that are to come, soonest first.
    pub(crate) fn upcoming(&self) -> impl Iterator<Item = u64> {
        std::iter::successors(self.next_due_ms, |at| next(&self.times, *at))
    }
}

impl App {
    /// The schedules of the newest releases. One that is so new that nobody has looked at it yet begins now.
    pub(crate) fn planned(&self, stored: Vec<Schedule>) -> Vec<Planned> {
        let key = |schedule: &Schedule| (schedule.workflow.clone(), schedule.trigger.clone());
        let mut stored: HashMap<_, _> = stored.into_iter().map(|row| (key(&row), row)).collect();
        let now_ms = self.clock.now_ms();
        let mut planned = Vec::new();
        for release in self.newest() {
            let workflow = &release.stored.workflow;
            for trigger in &release.workflow.triggers {
                let TriggerKind::Schedule(times) = &trigger.kind else {
                    continue;
                };
                let known = stored.remove(&(workflow.clone(), trigger.name.clone()));
                let known = known.filter(|row| row.fingerprint == fingerprint(times));
                let next_due_ms = match &known {
                    // A time that has come and is not done yet is one of those to come.
                    Some(row) => Some(row.next_due_ms).filter(|at| *at < MAX_DUE_MS),
                    None => next(times, now_ms),
                };
                planned.push(Planned {
                    workflow: workflow.clone(),
                    trigger: trigger.name.clone(),
                    times: times.clone(),
                    past: known.map(|row| row.past).unwrap_or_default(),
                    next_due_ms,
                });
            }
        }
        planned
    }
}
