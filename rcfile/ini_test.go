package rcfile

import (
	"bytes"
	"encoding/json"
	"maps"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseINI(t *testing.T) {
	const text = `# a comment
[DEFAULT]
host = mail.example.org
loop = %(loop)s
[Account work]
remotehost: %(host)s
Empty =
filter = lambda f: f in [
    'a',

    # not of it
    'b']
hash = a # b ; c
percent = 100%%
bad = 5%
missing = %(nothing)s
[general]
`
	f, err := ParseINI(text)
	if err != nil {
		t.Fatal(err)
	}
	s := f.Section("Account", "work")
	for key, want := range map[string]string{
		"remotehost": "mail.example.org", "empty": "", "filter": "lambda f: f in [\n'a',\n\n'b']", "hash": "a # b ; c", "percent": "100%", "host": "mail.example.org",
	} {
		if o, ok, err := f.Option(s, key); !ok || err != nil || o.Value() != want {
			t.Errorf("%s is %q, %v, %v, want %q", key, o.Value(), ok, err, want)
		}
	}
	for key, want := range map[string]string{
		"loop": "line 4: loop refers to other keys too deeply", "bad": "line 15: bad has a", "missing": "line 16: missing refers to nothing",
	} {
		if _, _, err := f.Option(s, key); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", key, err, want)
		}
	}
	if _, ok, err := f.Option(s, "other"); ok || err != nil {
		t.Errorf("there is a key: %v", err)
	}
	for text, want := range map[string]string{
		"a = 1": "line 1: there is no [section] above it", "[a]\nb": "line 2: it is neither", "[a]\n= b": "line 2: it is neither",
		"[a]\nb=1\nB=2": "line 3: B is there twice", "[a]\n[b]\n[a]": "line 3: there is a section [a] already",
	} {
		if _, err := ParseINI(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// No reference makes a value that cannot be held.
func TestReferencesAreBounded(t *testing.T) {
	text := "[a]\nk0 = " + strings.Repeat("x", 100) + "\n"
	for i := 1; i < maxDepth; i++ {
		digit := string(rune('0' + i))
		text += "k" + digit + " = " + strings.Repeat("%(k"+string(rune('0'+i-1))+")s", 100) + "\n"
	}
	f, err := ParseINI(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Option(f.Sections[0], "k9"); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Error(err)
	}
}

// What Python reads is what we read, and what it refuses we refuse.
func TestINIAsPythonReadsIt(t *testing.T) {
	line := rapid.OneOf(
		rapid.SampledFrom([]string{"[a]", "[Account b]", "[DEFAULT]", "", "  ", "# c", "  ; d", "[a] x", "[", "]", "k = [v]"}),
		rapid.Custom(func(t *rapid.T) string {
			return rapid.SampledFrom([]string{"", "", "", "  ", "\t", "    "}).Draw(t, "indent") + rapid.SampledFrom([]string{"k", "K", "l", "m n", "o", "p", "q"}).Draw(t, "key") +
				rapid.SampledFrom([]string{"=", " = ", ":", ": ", " ", ""}).Draw(t, "sign") +
				rapid.SampledFrom([]string{"", "v", "a b", "a=b", "100%%", "%(k)s", "%(l)s x %(l)s", "5%", "%(z)s", "x # y", "'q'", "%(m n)s"}).Draw(t, "value")
		}),
	)
	texts := make([]string, 2000)
	gen := rapid.Custom(func(t *rapid.T) string {
		lines := rapid.SliceOfN(line, 0, 6).Draw(t, "lines")
		return strings.Join(append([]string{"[a]"}, lines...), "\n")
	})
	for i := range texts {
		texts[i] = gen.Example(i)
	}
	var want []map[string]map[string]*string
	askPython(t, `
def read(text):
    p = configparser.ConfigParser()
    try:
        p.read_string(text)
    except configparser.Error:
        return None
    def value(s, k):
        try:
            return p.get(s, k)
        except configparser.Error:
            return None
    return {s: {k: value(s, k) for k in p.options(s)} for s in p.sections()}
`, texts, &want)
	whole := 0
	for i, text := range texts {
		f, err := ParseINI(text)
		if (err != nil) != (want[i] == nil) {
			t.Errorf("%q: %v, and Python reads %v", text, err, want[i])
			continue
		}
		if err != nil {
			continue
		}
		whole++
		if len(f.Sections) != len(want[i]) {
			t.Errorf("%q: %d sections, Python has %d", text, len(f.Sections), len(want[i]))
		}
		for _, s := range f.Sections {
			values := want[i][strings.TrimSpace(s.Kind+" "+s.Name)]
			for key := range maps.Keys(values) {
				o, ok, err := f.Option(s, key)
				if !ok || (err != nil) != (values[key] == nil) || err == nil && o.Value() != *values[key] {
					t.Errorf("%q: %s is %q, %v, %v", text, key, o.Value(), ok, err)
				}
			}
		}
	}
	if whole < len(texts)/10 {
		t.Errorf("only %d texts say anything", whole)
	}
}

// askPython has a Python function read called with each of the texts.
func askPython(t *testing.T, function string, texts []string, into any) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-W", "ignore", "-c", "import configparser, json, re, sys\n"+function+"\nprint(json.dumps([read(t) for t in json.load(sys.stdin)]))")
	cmd.Stdin = bytes.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		t.Fatalf("python3: %v\n%s", err, stderr.String())
	}
}

// Nothing makes it fail but with the number of a line, and no value grows beyond all bounds.
func FuzzParseINI(f *testing.F) {
	for _, seed := range []string{
		"[a]\nb = c\n  d\n\n# e\n  f\n", "[DEFAULT]\na=%(a)s\n[x]\nb=%(a)s%(a)s", "[a]\nb = 100%", "a", "[a]\r\nb: 1\r\n", "[a]\n\xff\x00=\x1b", "[[a]]\n=",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ini, err := ParseINI(text)
		lines := strings.Count(text, "\n") + 1
		if err != nil {
			wantLine(t, err, lines)
			return
		}
		for _, s := range ini.Sections {
			for _, o := range s.Options {
				full, ok, err := ini.Option(s, o.Key)
				if !ok || len(full.Value()) > maxValue+len(text) {
					t.Errorf("%q: %v, %d octets", o.Key, ok, len(full.Value()))
				}
				if err != nil {
					wantLine(t, err, lines)
				}
			}
		}
	})
}
