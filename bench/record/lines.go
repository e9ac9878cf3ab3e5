package record

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// EachLine calls add with every line of r and its number, counted from 1; the line is valid until add returns. An error
// of add ends the walk and comes back with the number in front.
//
// A last line without its newline is what a killed run leaves. If nothing but the newline is missing it counts;
// otherwise add refuses it, and its number comes back as torn instead of an error. With header set the first line must
// be there and whole, since nothing can be said of the rest without it.
func EachLine(r io.Reader, header bool, add func(line []byte, number int) error) (torn int, err error) {
	lines := bufio.NewReader(r)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		last := errors.Is(err, io.EOF)
		switch {
		case err != nil && !last:
			return 0, err
		case last && len(line) == 0 && number == 1 && header:
			return 0, errors.New("the file is empty: the run did not get as far as its header")
		case last && len(line) == 0:
			return 0, nil
		}
		err = add(line, number)
		switch {
		case err != nil && last && !(number == 1 && header) && !json.Valid(line):
			return number, nil
		case err != nil:
			return 0, fmt.Errorf("line %d: %w", number, err)
		case last:
			return 0, nil
		}
	}
}
