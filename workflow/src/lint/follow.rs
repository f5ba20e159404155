//! What follows the end of a run: whether it can be started with what an end tells.

use super::Lint;
use crate::diagnostic::nearest;
use crate::model::FOLLOW_FIELDS;

impl Lint<'_> {
    pub(super) fn follows(&mut self) {
        let definition = self.definition;
        for (key, workflow) in definition.model.following_workflows() {
            let path = format!("{key}.workflow");
            if workflow == definition.model.workflow {
                let message = "a workflow that follows its own end never stops";
                let found = self.error_at_value("FF-WF-037", &path, message);
                self.findings
                    .push(found.with_fix("use a `repeat` node, a schedule, or another workflow"));
                continue;
            }
            let found = match self.children.get(workflow) {
                Some(known) => {
                    let needed = known.input.iter().find(|field| {
                        field.default.is_none()
                            && !field.optional
                            && !FOLLOW_FIELDS.contains(&field.name.as_str())
                    });
                    needed.map(|field| {
                        let message =
                            format!("`{workflow}` needs `{}`, which an end does not tell", field.name);
                        (
                            message,
                            format!("it is given: {}; make others optional", FOLLOW_FIELDS.join(", ")),
                        )
                    })
                }
                None => self.workflows.as_ref().map(|names| {
                    let message = format!("there is no published workflow `{workflow}`");
                    let fix = match nearest(workflow, names.iter().map(String::as_str)) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "publish it before a run of this one ends".to_owned(),
                    };
                    (message, fix)
                }),
            };
            // The newest release of that time is started: what is wrong now may be mended then.
            if let Some((message, fix)) = found {
                let found = self.error_at_value("FF-WF-037", &path, message).into_warning();
                self.findings.push(found.with_fix(fix));
            }
        }
    }
}
