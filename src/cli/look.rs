//! A recipe for looking at what a step computes and how long it takes.

use crate::console::text::say;
use crate::methods::Teacher;
use crate::recipe::Recipe;

/// The teacher that a recipe names or, if it is not trained yet, a random one.
pub fn teacher_for_a_look(recipe: &Recipe) -> anyhow::Result<Option<Teacher>> {
    let Some((teacher, trained)) = Teacher::for_a_look(recipe)? else { return Ok(None) };
    if !trained {
        say(format!("note    {}: nothing here depends on what it has learned", teacher.name))?;
    }
    Ok(Some(teacher))
}
