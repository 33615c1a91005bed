"""What lint_words.py finds, and what it leaves alone."""

import unittest

import lint_words

LONG = "word " * 30


class LintWords(unittest.TestCase):
    def found(self, rule: str, **files: str) -> list[tuple[str, int]]:
        sources = {
            name.replace("__", "/").replace("_rs", ".rs").replace("_md", ".md"): text.splitlines()
            for name, text in files.items()
        }
        return [(one.file, one.line) for one in lint_words.RULES[rule](sources)]

    def test_long_lines_of_prose(self):
        text = f"short\n{LONG}\n| {LONG} |\n```\n{LONG}\n```\nhttps://example.com/{'x' * 120}\n"
        self.assertEqual(self.found("long lines", a_md=text), [("a.md", 2)])

    def test_long_lines_of_comments(self):
        text = f'/// {LONG}\nlet long = "{LONG}";\n    // {LONG}\n'
        self.assertEqual(self.found("long lines", a_rs=text), [("a.rs", 1), ("a.rs", 3)])

    def test_a_comment_does_not_begin_with_a_preposition(self):
        text = "//! Of frames.\n\n/// A frame\n/// of the peer.\nlet a;\n#[derive(Debug)]\n/// The same.\n/// Forms.\n"
        self.assertEqual(self.found("bare prepositions", a_rs=text), [("a.rs", 1), ("a.rs", 7)])
        # A paragraph within a comment is a sentence of that comment.
        self.assertEqual(self.found("bare prepositions", a_rs="/// A frame.\n///\n/// For peers.\n"), [])

    def test_a_type_name_is_used_once_within_a_service(self):
        files = {
            "edge__src__a_rs": "pub(crate) struct Line;\n    struct Inner;\n",
            "edge__src__b_rs": "enum Line { }\n    struct Inner;\n",
            "edge__src__tests_rs": "struct Line;\n",
            "weir__src__c_rs": "struct Line;\n",
        }
        self.assertEqual(self.found("names twice", **files), [("edge/src/b.rs", 1)])

    def test_long_functions_and_many_arguments(self):
        body = "    call();\n    // Why.\n" * 70
        text = f"fn short() {{\n}}\n\npub async fn long(\n    a: u8,\n) {{\n{body}    more();\n}}\n"
        self.assertEqual(self.found("long functions", a_rs=text), [("a.rs", 4)])
        arguments = "fn f(&self, a: A<B, C>, b: (D, E), c: impl Fn(F, G) -> H, d: I) {}\n"
        arguments += "fn g<T, U>(a: A, b: B, c: C, d: D, e: E, f: F) {}\n"
        self.assertEqual(self.found("many arguments", a_rs=arguments), [("a.rs", 2)])


if __name__ == "__main__":
    unittest.main()
