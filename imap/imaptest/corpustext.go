package imaptest

import "strings"

var latin = strings.Fields(`account agenda ahead answer attached because before budget calendar change client could
	customer delivery details draft early email every final finish forward friday going great hello however invoice
	kind later letter list maybe meeting message minutes monday morning never notes offer office order other paper
	people please project question quick ready receipt regards report review sorry subject summary thanks think
	tomorrow travel update version waiting weekend where which without wonder would yesterday`)

var others = strings.Fields(`Grüße Straße übermorgen façade déjà naïve œuvre señor mañana coração übel Łódź žluťoučký
	привет встреча Καλημέρα שלום مرحبا 会議 資料 안녕하세요 🎉 👩‍💻`)

func (w *writer) word() string {
	if w.chance(12) {
		return pick(w, others)
	}
	return pick(w, latin)
}

func (w *writer) sentence(words int) string {
	all := make([]string, words)
	for i := range all {
		all[i] = w.word()
	}
	return strings.Join(all, " ")
}

func (w *writer) name() string {
	name := w.word() + " " + w.word()
	if w.chance(4) {
		return `"` + strings.ToUpper(pick(w, latin)) + `, ` + pick(w, latin) + `"`
	}
	return w.encoded(name)
}

// text writes lines of about so many octets, with what upsets programs: lines that start with "From ", ".", ">", "--",
// empty ones, and some of thousands of octets.
func (w *writer) text(size int) string {
	var b strings.Builder
	for b.Len() < size {
		switch w.IntN(60) {
		case 0:
			b.WriteString("From ")
		case 1:
			b.WriteString(".")
		case 2, 3, 4:
			b.WriteString("> ")
		case 5:
			b.WriteString("-- ")
		case 6:
			b.WriteString("\r\n\r\n")
		case 7:
			if w.chance(20) {
				b.WriteString(w.sentence(700))
			}
		}
		b.WriteString(w.sentence(4 + w.IntN(10)))
		b.WriteString("\r\n")
	}
	return b.String()
}

// noise is n characters of base64, folded.
func (w *writer) noise(n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	var b strings.Builder
	for i := range n {
		if i%64 == 63 {
			b.WriteString("\r\n\t ")
		}
		b.WriteByte(alphabet[w.IntN(len(alphabet))])
	}
	return b.String()
}
