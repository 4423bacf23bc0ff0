use super::*;

fn body(fields: &[(Class, &str)], minor: u8) -> Result<Option<Body>, Bad> {
    let mut framing = Framing::default();
    for (class, value) in fields {
        framing.field(*class, value.as_bytes())?;
    }
    framing.body(minor)
}

type Case<'a> = (&'a [(Class, &'a str)], Result<Option<Body>, Bad>);

#[test]
fn one_length_or_one_chunked_and_nothing_else() {
    use Class::{ContentLength as Length, TransferEncoding as Coding};
    let cases: &[Case] = &[
        (&[], Ok(None)),
        (&[(Length, "0")], Ok(Some(Body::Length(0)))),
        (&[(Length, "18446744073709551615")], Ok(Some(Body::Length(u64::MAX)))),
        (&[(Length, "18446744073709551616")], Err(Bad::Length)),
        (&[(Length, "")], Err(Bad::Length)),
        (&[(Length, "+1")], Err(Bad::Length)),
        (&[(Length, "1, 1")], Err(Bad::Length)),
        (&[(Length, "1"), (Length, "1")], Err(Bad::Repeated)),
        (&[(Coding, "Chunked")], Ok(Some(Body::Chunked))),
        (&[(Coding, "gzip")], Err(Bad::UnknownCoding)),
        (&[(Coding, "gzip, chunked")], Err(Bad::UnknownCoding)),
        (&[(Coding, "chunked, gzip")], Err(Bad::Coding)),
        (&[(Coding, "chunked, chunked")], Err(Bad::Coding)),
        (&[(Coding, "chunked,")], Err(Bad::Coding)),
        (&[(Coding, "chunked"), (Coding, "chunked")], Err(Bad::Coding)),
        (&[(Coding, "chunked;q=1")], Err(Bad::Coding)),
        (&[(Coding, "")], Err(Bad::Coding)),
        (&[(Coding, "chunked"), (Length, "3")], Err(Bad::LengthAndCoding)),
    ];
    for (fields, expected) in cases {
        assert_eq!(body(fields, 1), *expected, "{fields:?}");
    }
    assert_eq!(body(&[(Coding, "chunked")], 0), Err(Bad::CodingInOld));
}
