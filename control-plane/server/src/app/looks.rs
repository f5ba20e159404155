//! Looking at the text of a workflow, wherever it is: published, a draft, or not kept at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowforge_protocol::StepKey;
use flowforge_store::StoredRun;
use flowforge_workflow::model::Workflow;
use flowforge_workflow::preview::{Place, Preview, Question, UnknownNode, preview};
use flowforge_workflow::{Comparison, Definition, Diagnostic, Graph, Hunk, Interrupt, compare, graph, hunks};
use serde_json::{Map, Value};

use crate::apart::ApartError;
use crate::app::retry::RetryError;
use crate::app::{App, LoadError, Reading};

/// Which text is meant.
pub(crate) enum Wanted {
    /// This one.
    Text {
        source: String,
        lock: Option<String>,
        layout: Option<Value>,
    },
    /// A published version, or the newest.
    Version(String, Option<u32>),
    /// The draft of a workflow.
    Draft(String),
}

/// A text that was found.
pub(crate) struct Text {
    /// The file, if it is known.
    source: Option<String>,
    lock: Option<String>,
    layout: Option<Value>,
    /// Of a published version: its parts, with its own configuration.
    model: Option<Workflow>,
    /// Of a published version: node → destinations.
    granted: BTreeMap<String, Vec<String>>,
}

/// Why a text cannot be looked at.
#[derive(Debug)]
pub(crate) enum NoText {
    Workflow(String),
    Draft(String),
    Unreadable(Vec<Diagnostic>),
}

/// A graph with what is known besides the text.
pub(crate) struct Drawn {
    pub(crate) graph: Graph,
    pub(crate) model: Workflow,
    pub(crate) layout: Option<Value>,
    pub(crate) granted: BTreeMap<String, Vec<String>>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// What is asked of an expression; all offsets are bytes.
pub(crate) struct Asked {
    pub(crate) text: String,
    pub(crate) template: bool,
    pub(crate) cursor: Option<usize>,
    pub(crate) source: Option<String>,
    pub(crate) lock: Option<String>,
    pub(crate) node: Option<String>,
    pub(crate) data: Map<String, Value>,
    pub(crate) now_ms: u64,
}

impl Text {
    /// Its parts, with places where the file is known.
    fn read(&self) -> Result<(Definition, Workflow), NoText> {
        let parsed = self.source.as_deref().map(flowforge_workflow::parse);
        match (parsed, &self.model) {
            (Some(Ok(definition)), Some(model)) => Ok((definition, model.clone())),
            (Some(Ok(definition)), None) => {
                let model = definition.model().clone();
                Ok((definition, model))
            }
            // What was published is what its release says, whether its file is here or not.
            (_, Some(model)) => Ok((Definition::of_model(model.clone()), model.clone())),
            (Some(Err(found)), None) => Err(NoText::Unreadable(found)),
            (None, None) => Err(NoText::Unreadable(Vec::new())),
        }
    }
}

impl App {
    /// Finds a text.
    pub(crate) async fn text_of(
        &self,
        reading: &Reading<'_>,
        wanted: Wanted,
    ) -> Result<Result<Text, NoText>, LoadError> {
        Ok(match wanted {
            Wanted::Text { source, lock, layout } => Ok(Text {
                source: Some(source),
                lock,
                layout,
                model: None,
                granted: BTreeMap::new(),
            }),
            Wanted::Version(name, version) => match self.published_of(&name, version).await? {
                None => Err(NoText::Workflow(name)),
                Some(release) => {
                    let nodes = release.grants.nodes.iter();
                    Ok(Text {
                        source: release.stored.source.clone(),
                        lock: Some(flowforge_workflow::lock_format(&release.release.connectors)),
                        layout: None,
                        model: Some(release.workflow.clone()),
                        granted: nodes
                            .map(|(node, grants)| (node.to_string(), grants.destinations.clone()))
                            .collect(),
                    })
                }
            },
            Wanted::Draft(name) => match reading.draft(&name).await? {
                None => Err(NoText::Draft(name)),
                Some(draft) => Ok(Text {
                    source: Some(draft.text.source),
                    lock: draft.text.lock,
                    layout: serde_json::from_str(&draft.text.layout).ok(),
                    model: None,
                    granted: BTreeMap::new(),
                }),
            },
        })
    }

    /// Draws a text.
    pub(crate) async fn draw(self: &Arc<Self>, text: Text) -> Result<Result<Drawn, NoText>, ApartError> {
        self.apart(move |app, interrupt| {
            let (definition, model) = text.read()?;
            let locked = app.locked(text.lock.as_deref()).map_err(NoText::Unreadable)?;
            let found = flowforge_workflow::lint_within(&definition, &Map::new(), &locked, interrupt);
            Ok(Drawn {
                graph: graph(&definition, &locked, interrupt),
                model,
                layout: text.layout,
                granted: text.granted,
                // Whoever waited for a look that was stopped is told so, and hears nothing of this.
                diagnostics: found.unwrap_or_default(),
            })
        })
        .await
    }

    /// Compares two texts.
    pub(crate) async fn beside(
        self: &Arc<Self>,
        before: Text,
        after: Text,
    ) -> Result<Result<(Comparison, Vec<Hunk>), NoText>, ApartError> {
        self.apart(move |_, _| {
            let ((_, old), (_, new)) = (before.read()?, after.read()?);
            let empty = String::new();
            let (a, b) = (
                before.source.as_ref().unwrap_or(&empty),
                after.source.as_ref().unwrap_or(&empty),
            );
            Ok((compare(&old, &new), hunks(a, b)))
        })
        .await
    }

    /// Looks at an expression that is being written. A file that cannot be read tells neither names nor types.
    pub(crate) async fn preview(
        self: &Arc<Self>,
        asked: Asked,
    ) -> Result<Result<Preview, UnknownNode>, ApartError> {
        self.apart(move |app, interrupt| app.preview_now(&asked, interrupt))
            .await
    }

    fn preview_now(&self, asked: &Asked, interrupt: &Interrupt) -> Result<Preview, UnknownNode> {
        let source = asked.source.as_deref();
        let definition = source.and_then(|source| flowforge_workflow::parse(source).ok());
        let locked = self
            .locked(asked.lock.as_deref())
            .or_else(|_| self.locked(None))
            .ok();
        let place = match (&definition, &locked) {
            (Some(definition), Some(locked)) => Some(Place {
                definition,
                connectors: locked,
                node: asked.node.as_deref(),
            }),
            _ => None,
        };
        preview(&Question {
            text: &asked.text,
            template: asked.template,
            cursor: asked.cursor,
            place,
            data: &asked.data,
            now_ms: asked.now_ms,
            interrupt,
        })
    }

    /// What a run gives to expressions: its input, and the results of its nodes outside loops.
    pub(crate) async fn data_of(&self, run: &StoredRun) -> Result<Map<String, Value>, RetryError> {
        let unreadable = || RetryError::Unreadable(run.id.clone());
        let mut data = Map::new();
        let input = serde_json::from_str(&run.texts.input).map_err(|_| unreadable())?;
        data.insert("input".to_owned(), input);
        let release = self.release(&run.release).await?.ok_or_else(unreadable)?;
        if run.records > 0 {
            let state = self.state_of(run).await?;
            for node in &release.workflow.nodes {
                if let Some(output) = state.output_of(&StepKey::top(node.id.clone())) {
                    data.insert(node.id.to_string(), Value::clone(&output));
                }
            }
        }
        Ok(data)
    }
}
