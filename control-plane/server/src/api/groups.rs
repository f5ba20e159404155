//! Groups of people who may answer questions, as the API shows them.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject, Union};
use flowforge_store::Group;

use super::fault;
use super::mutation::{field, input_problem};
use super::operations::busy;
use super::problems::{BusyProblem, InputProblem};
use super::query::{app, caller};

/// Members of a group at most.
const MAX_MEMBERS: usize = 1_000;

/// People who may answer what is put to their group.
#[derive(SimpleObject)]
pub(crate) struct ApproverGroup {
    /// As `approvers` of a workflow say it.
    name: String,
    members: Vec<String>,
}

impl From<Group> for ApproverGroup {
    fn from(group: Group) -> Self {
        Self {
            name: group.name,
            members: group.members,
        }
    }
}

/// A group to be made, or changed.
#[derive(InputObject)]
pub(crate) struct SetApproverGroupInput {
    /// As `approvers` of a workflow say it.
    name: String,
    /// Everybody in it; nobody: the group is gone.
    members: Vec<String>,
}

#[derive(Union)]
pub(crate) enum SetApproverGroupPayload {
    Success(SetApproverGroupSuccess),
    Input(InputProblem),
    Busy(BusyProblem),
}

/// The group has these members.
#[derive(SimpleObject)]
pub(crate) struct SetApproverGroupSuccess {
    group: ApproverGroup,
}

fn is_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// Changes of groups.
#[derive(Default)]
pub(crate) struct Groups;

#[Object]
impl Groups {
    /// Says who is in a group: each of them may answer what is put to it, and nobody answers in its own name.
    async fn set_approver_group(
        &self,
        ctx: &Context<'_>,
        input: SetApproverGroupInput,
    ) -> Result<SetApproverGroupPayload> {
        use SetApproverGroupPayload as Payload;
        let mut faults = Vec::new();
        if !is_name(&input.name) {
            faults.push(field("name", "expected 1 to 128 printable characters"));
        }
        if input.members.len() > MAX_MEMBERS || !input.members.iter().all(|member| is_name(member)) {
            let message = format!("at most {MAX_MEMBERS}, each 1 to 128 printable characters");
            faults.push(field("members", message));
        }
        if !faults.is_empty() {
            return Ok(Payload::Input(input_problem(faults)));
        }
        let group = Group {
            name: input.name,
            members: input.members,
        };
        let set = app(ctx)?.set_group(caller(ctx)?, group.clone()).await;
        Ok(match set.map_err(|error| fault(&error))? {
            true => Payload::Success(SetApproverGroupSuccess { group: group.into() }),
            false => Payload::Busy(busy("there are too many groups; remove one first".to_owned())),
        })
    }
}
