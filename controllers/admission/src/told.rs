//! What is told once, and again only when it is another thing.

use std::collections::HashMap;

/// The problems that there are, by what they are of.
#[derive(Debug, Default)]
pub(crate) struct Told(HashMap<&'static str, String>);

impl Told {
    /// There is this problem, or none any more. Gives what is to be told of it.
    fn news(&mut self, of: &'static str, problem: Option<String>) -> Option<News> {
        match problem {
            None => self.0.remove(of).map(|_| News::Over),
            Some(problem) if self.0.get(of) == Some(&problem) => None,
            Some(problem) => {
                self.0.insert(of, problem.clone());
                Some(News::Problem(problem))
            }
        }
    }

    /// Logs a problem once, and that it is over.
    pub(crate) fn tell(&mut self, of: &'static str, problem: Option<String>) {
        match self.news(of, problem) {
            Some(News::Problem(problem)) => tracing::warn!(of, "{problem}"),
            Some(News::Over) => tracing::info!(of, "in order again"),
            None => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum News {
    Problem(String),
    Over,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_told_once_and_when_it_is_over() {
        let mut told = Told::default();
        let problem = |text: &str| Some(text.to_owned());
        assert_eq!(told.news("a", None), None);
        assert_eq!(told.news("a", problem("x")), Some(News::Problem("x".to_owned())));
        assert_eq!(told.news("a", problem("x")), None);
        assert_eq!(told.news("b", problem("x")), Some(News::Problem("x".to_owned())));
        assert_eq!(told.news("a", problem("y")), Some(News::Problem("y".to_owned())));
        assert_eq!(told.news("a", None), Some(News::Over));
        assert_eq!(told.news("a", None), None);
    }
}
