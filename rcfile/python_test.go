package rcfile

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPython(t *testing.T) {
	for text, want := range map[string]string{
		`lambda f: f in ['INBOX', "Sent Mail"]`:         `in [INBOX Sent Mail]`,
		"lambda f: f not in [\n'Trash',\n'a',]":         `not in [Trash a]`,
		"lambda f : not f in {'Trash'}":                 `not in [Trash]`,
		`lambda f: f in ('a', 'b')`:                     `in [a b]`,
		`lambda f: f in ('a',)`:                         `in [a]`,
		`lambda f: f in ['a\\b', 'it\'s', r'\d', '\d']`: `in [a\b it's \d \d]`,
		`lambda f: f in []`:                             `in []`,
		`lambda f: f in \` + "\n" + `['a']`:             `in [a]`,
		`lambda f: f in ('a')`:                          "",
		`lambda f: f in 'a'`:                            "",
		`lambda f: g in ['a']`:                          "",
		`lambda f: f in ['a' 'b']`:                      "",
		`lambda f: f in ['a'] or f == 'b'`:              "",
		`lambda f: f in ['\x41']`:                       "",
		`lambda f: f in [b'a']`:                         "",
		`lambda f: f in ["""a"""]`:                      "",
		`lambda f: f in ['a'`:                           "",
		`lambda f: not f not in ['a']`:                  "",
		`lambda f, g: f in ['a']`:                       "",
		`f in ['a']`:                                    "",
		`lambda f: not re.search('(^Trash$|Del)', f)`:   "",
	} {
		got := ""
		if f, ok := ParseFilter(text); ok {
			got = fmt.Sprintf("%sin %v", map[bool]string{true: "not "}[f.Not], f.Names)
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	names, ok := ParseTranslation(`lambda folder: {'[Gmail]/Sent Mail': 'sent', 'a': 'b', }.get(folder, folder)`)
	if want := map[string]string{"[Gmail]/Sent Mail": "sent", "a": "b"}; !ok || !reflect.DeepEqual(names, want) {
		t.Errorf("%v, %v", names, ok)
	}
	for _, text := range []string{`lambda f: {'a': 'b'}.get(f, '')`, `lambda f: {'a': 'b'}[f]`, `lambda f: {'a'}.get(f, f)`, `lambda f: {'a': 1}.get(f, f)`} {
		if names, ok := ParseTranslation(text); ok {
			t.Errorf("%q: %v", text, names)
		}
	}
	pattern, replacement, ok := ParseSubstitution(`lambda foldername: re.sub('^INBOX\.', '', foldername)`)
	if !ok || pattern != `^INBOX\.` || replacement != "" {
		t.Errorf("%q, %q, %v", pattern, replacement, ok)
	}
	if _, _, ok := ParseSubstitution(`lambda f: re.sub('a', 'b', f).lower()`); ok {
		t.Error("the rest was overlooked")
	}
	for text, want := range map[string]string{
		`get_pass("work")`: "get_pass", `f ( 'a', key = "b", )`: "f", `f()`: "f", `f(x)`: "", `f("a").strip()`: "", `m.f("a")`: "", `f("a" + "b")`: "", `f(g("a"))`: "", `"f"()`: "",
	} {
		if got, ok := ParseCall(text); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v", text, got, ok)
		}
	}
	if s, ok := ParseText(` "secret" `); !ok || s != "secret" {
		t.Errorf("%q, %v", s, ok)
	}
	if _, ok := ParseText(`get_pass("x")`); ok {
		t.Error("a call is no text")
	}
}

// What is understood means what Python makes of it.
func TestFilterAsPythonReadsIt(t *testing.T) {
	token := rapid.SampledFrom([]string{
		"'a'", `"b"`, "r'\\d'", "'\\d'", "'\\\\'", "'it\\'s'", "'a' 'b'", ",", ",", ",", "[", "]", "(", ")", "{", "}", "in", "not", "f", ":", "lambda", "u'c'", "b'd'", "'\\n'", "'''e'''", "\\\n",
	})
	texts := make([]string, 3000)
	gen := rapid.Custom(func(t *rapid.T) string {
		head := rapid.SampledFrom([]string{"lambda f: f in", "lambda f: f not in", "lambda f: not f in", ""}).Draw(t, "head")
		open := rapid.SampledFrom([]string{" [", " (", " {", " "}).Draw(t, "open")
		closing := map[string]string{" [": "]", " (": ")", " {": "}"}[open]
		for _, word := range rapid.SliceOfN(token, 0, 5).Draw(t, "tokens") {
			open += word + " "
		}
		return head + open + closing
	})
	for i := range texts {
		texts[i] = gen.Example(i)
	}
	var want []map[string]bool
	askPython(t, `
names = ['a', 'b', 'c', 'ab', '\\d', '\\', "it's", '', 'e', 'z']
def read(text):
    try:
        f = eval(text)
        return {n: bool(f(n)) for n in names}
    except Exception:
        return None
`, texts, &want)
	understood := 0
	for i, text := range texts {
		f, ok := ParseFilter(text)
		if !ok {
			continue
		}
		understood++
		if want[i] == nil {
			t.Errorf("%q was understood, and Python refuses it", text)
		}
		for name, chosen := range want[i] {
			in := false
			for _, n := range f.Names {
				in = in || n == name
			}
			if (in != f.Not) != chosen {
				t.Errorf("%q: %q is %v in Python", text, name, chosen)
			}
		}
	}
	if understood < 50 {
		t.Errorf("only %d were understood", understood)
	}
}

// Whatever it is, it is understood or not, and never more comes out than went in.
func FuzzPython(f *testing.F) {
	for _, seed := range []string{"lambda f: f in ['a', \"b\"]", "lambda f: {'a': 'b'}.get(f, f)", `lambda f: re.sub('^INBOX\.', '', f)`, "'\\", "[\\\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		octets := 0
		if filter, ok := ParseFilter(text); ok {
			for _, name := range filter.Names {
				octets += len(name)
			}
		}
		names, _ := ParseTranslation(text)
		for from, to := range names {
			octets += len(from) + len(to)
		}
		pattern, replacement, _ := ParseSubstitution(text)
		s, _ := ParseText(text)
		if function, ok := ParseCall(text); ok && !strings.Contains(text, function) {
			t.Errorf("%q calls %q", text, function)
		}
		if octets+len(pattern)+len(replacement)+len(s) > len(text) {
			t.Errorf("%q became %d octets", text, octets)
		}
	})
}
