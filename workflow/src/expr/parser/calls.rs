//! Calls: of functions, and of the forms that look like one.

use super::{Parsed, Parser, pattern};
use crate::diagnostic::nearest;
use crate::expr::ExpressionError;
use crate::expr::functions;
use crate::expr::tree::{Call, Form, Literal, Loop, LoopKind, StepKind, Tree};
use crate::limits::MAX_COMPREHENSION_DEPTH;

impl Parser<'_> {
    pub(super) fn arguments(&mut self) -> Parsed<Vec<Tree>> {
        let values = self.values(")")?;
        match values.iter().find(|item| item.optional) {
            Some(item) => Err(self.error(
                item.value.start,
                "`?` does not belong before an argument",
                "it stands in lists and objects: [?x], {?\"field\": x}",
            )),
            None => Ok(values.into_iter().map(|item| item.value).collect()),
        }
    }

    pub(super) fn method(&mut self, target: Tree, name: &str, start: usize, at: usize) -> Parsed<Tree> {
        self.expect("(")?;
        let mut arguments = vec![target];
        arguments.extend(self.arguments()?);
        self.call(name, arguments, start, at)
    }

    /// A call of this name; `at` is where the name stands.
    pub(super) fn call(
        &mut self,
        name: &str,
        mut arguments: Vec<Tree>,
        start: usize,
        at: usize,
    ) -> Parsed<Tree> {
        match (name, arguments.len()) {
            ("now", 0) => return self.made(Form::Now, start),
            ("default", 2) => {
                if let (Some(otherwise), Some(value)) = (arguments.pop(), arguments.pop()) {
                    return self.made(Form::Default(Box::new(value), Box::new(otherwise)), start);
                }
            }
            ("has", 1) => {
                if let Some(tree) = arguments.pop() {
                    return self.has(tree, start);
                }
            }
            _ => {}
        }
        let word = LoopKind::WORDS.iter().find(|(word, ..)| *word == name);
        if let Some((_, kind, bodies)) = word
            && arguments.len() >= 2
            && bodies.contains(&(arguments.len() - 2))
        {
            return self.each(*kind, arguments, start);
        }
        let Some(function) = functions::find(name) else {
            return Err(self.no_function(name, at));
        };
        let arity = usize::from(function.least)..=usize::from(function.most);
        if !arity.contains(&arguments.len()) {
            let message = format!("`{name}` does not take {} values", arguments.len());
            return Err(self.error(at, message, format!("write {}", function.form)));
        }
        self.check_form(name, &arguments)?;
        let pattern = match (name, arguments.get(1).map(|tree| (&tree.form, tree.start))) {
            ("matches", Some((Form::Literal(Literal::Text(text)), at))) => Some(
                pattern(text).map_err(|reason| self.error(at, reason, "for example \"^[a-z]+-[0-9]+$\""))?,
            ),
            _ => None,
        };
        self.made(
            Form::Call(Box::new(Call {
                function,
                arguments,
                pattern,
            })),
            start,
        )
    }

    /// A form of a date that is written out is looked at here, so that a wrong one is found before anything runs.
    fn check_form(&self, name: &str, arguments: &[Tree]) -> Parsed<()> {
        let has_form = matches!(name, "date" | "format_date" | "parse_date");
        match arguments.get(1).filter(|_| has_form) {
            Some(tree) => match &tree.form {
                Form::Literal(Literal::Text(text)) => functions::form_parts(name, text)
                    .map(drop)
                    .map_err(|wrong| self.error(tree.start, wrong, functions::FORM_EXAMPLE)),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }

    fn no_function(&self, name: &str, at: usize) -> ExpressionError {
        if let Some(form) = functions::special_form(name) {
            return self.error(
                at,
                format!("`{name}` is not called like this"),
                format!("write {form}"),
            );
        }
        let near = nearest(name, functions::names());
        ExpressionError {
            code: "FF-WF-018",
            offset: at,
            message: format!("there is no function `{name}`"),
            fix: Some(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`flowforge expr help` lists all functions".to_owned(),
            }),
        }
    }

    fn has(&self, tree: Tree, start: usize) -> Parsed<Tree> {
        let (tree_start, field_only) = (tree.start, "write has(x.field)");
        let Form::Steps(base, mut steps) = tree.form else {
            return Err(self.error(tree_start, "`has` asks whether a field is there", field_only));
        };
        match steps.pop().map(|step| step.kind) {
            Some(StepKind::Field(field)) => {
                let end = steps.last().map_or(base.end, |step| step.end);
                let mut of = self.stepped(*base, steps, tree_start)?;
                of.end = end;
                self.made(Form::Has(Box::new(of), field), start)
            }
            _ => Err(self.error(tree_start, "`has` asks whether a field is there", field_only)),
        }
    }

    fn each(&mut self, kind: LoopKind, arguments: Vec<Tree>, start: usize) -> Parsed<Tree> {
        let mut arguments = arguments.into_iter();
        let (Some(over), Some(variable), Some(body)) = (arguments.next(), arguments.next(), arguments.next())
        else {
            return Err(self.unexpected());
        };
        let Form::Name(name) = variable.form else {
            let message = format!("`{}` needs the name of the element first", kind.word());
            let fix = format!("for example {}(x, …)", kind.word());
            return Err(self.error(variable.start, message, fix));
        };
        let second = arguments.next();
        let inside = loops(&body).max(second.as_ref().map_or(0, loops));
        if inside + 1 > MAX_COMPREHENSION_DEPTH {
            return Err(ExpressionError {
                code: "FF-WF-017",
                offset: start,
                message: format!("loops over lists are nested deeper than {MAX_COMPREHENSION_DEPTH} levels"),
                fix: Some("let a `set` node before it do the inner part".to_owned()),
            });
        }
        let each = Loop {
            kind,
            over,
            name,
            body,
            second,
        };
        self.made(Form::Loop(Box::new(each)), start)
    }
}

/// The deepest nesting of loops in a tree.
fn loops(tree: &Tree) -> usize {
    match &tree.form {
        Form::Loop(each) => {
            let inside = loops(&each.body).max(each.second.as_ref().map_or(0, loops));
            loops(&each.over).max(inside + 1)
        }
        _ => {
            let mut most = 0;
            tree.children(&mut |child| most = most.max(loops(child)));
            most
        }
    }
}
