//! SPDX licence expressions (SPDX specification 2.3, annex D), with the `/` of older manifests as OR.

use std::iter::Peekable;
use std::vec::IntoIter;

/// Whether the expression can be satisfied with the licences `allowed` accepts; `None` when it is no expression.
/// `X WITH Y` is asked as one name.
pub fn satisfied(text: &str, allowed: impl Fn(&str) -> bool) -> Option<bool> {
    let mut tokens = tokens(text).into_iter().peekable();
    let result = any_of(&mut tokens, &allowed)?;
    tokens.next().is_none().then_some(result)
}

fn tokens(text: &str) -> Vec<String> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

type Tokens = Peekable<IntoIter<String>>;

/// AND binds stronger than OR.
fn any_of(tokens: &mut Tokens, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut result = all_of(tokens, allowed)?;
    while tokens.next_if(|token| token == "OR").is_some() {
        result |= all_of(tokens, allowed)?;
    }
    Some(result)
}

fn all_of(tokens: &mut Tokens, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut result = one(tokens, allowed)?;
    while tokens.next_if(|token| token == "AND").is_some() {
        result &= one(tokens, allowed)?;
    }
    Some(result)
}

fn one(tokens: &mut Tokens, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let token = tokens.next()?;
    match token.as_str() {
        "(" => {
            let result = any_of(tokens, allowed)?;
            tokens.next_if(|token| token == ")").map(|_| result)
        }
        ")" | "AND" | "OR" | "WITH" => None,
        name if tokens.next_if(|token| token == "WITH").is_some() => {
            let exception = tokens.next()?;
            Some(allowed(&format!("{name} WITH {exception}")))
        }
        name => Some(allowed(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Option<bool> {
        satisfied(text, |name| matches!(name, "MIT" | "ISC" | "Apache-2.0 WITH LLVM-exception"))
    }

    #[test]
    fn alternatives_need_one_and_combinations_all() {
        assert_eq!(check("MIT"), Some(true));
        assert_eq!(check("GPL-2.0"), Some(false));
        assert_eq!(check("GPL-2.0 OR MIT"), Some(true));
        assert_eq!(check("GPL-2.0/MIT"), Some(true));
        assert_eq!(check("GPL-2.0 AND MIT"), Some(false));
        assert_eq!(check("ISC AND MIT"), Some(true));
    }

    #[test]
    fn and_binds_stronger_than_or() {
        assert_eq!(check("MIT OR GPL-2.0 AND GPL-3.0"), Some(true));
        assert_eq!(check("(MIT OR GPL-2.0) AND GPL-3.0"), Some(false));
        assert_eq!(check("(MIT OR GPL-2.0) AND (ISC)"), Some(true));
    }

    #[test]
    fn an_exception_belongs_to_its_licence() {
        assert_eq!(check("Apache-2.0 WITH LLVM-exception OR GPL-2.0"), Some(true));
        assert_eq!(check("Apache-2.0"), Some(false));
    }

    #[test]
    fn nonsense_is_no_expression() {
        for text in ["", "MIT OR", "AND", "(MIT", "MIT)", "MIT ISC", "MIT WITH"] {
            assert_eq!(check(text), None, "{text}");
        }
    }
}
