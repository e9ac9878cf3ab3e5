package adapter

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
)

// Torrent makes a torrent of the file to seed: without trackers, and public, so that the DHT may know of it.
func (o Options) Torrent() (*metainfo.MetaInfo, error) {
	info := metainfo.Info{PieceLength: 64 << 10}
	if err := info.BuildFromFilePath(filepath.Join(o.Dir, o.Seed)); err != nil {
		return nil, fmt.Errorf("make torrent of %s: %w", o.Seed, err)
	}
	encoded, err := bencode.Marshal(info)
	if err != nil {
		return nil, fmt.Errorf("encode torrent of %s: %w", o.Seed, err)
	}
	return &metainfo.MetaInfo{InfoBytes: encoded}, nil
}

// WriteTorrent makes a torrent file of the file to seed.
func (o Options) WriteTorrent(path string) error {
	torrent, err := o.Torrent()
	if err != nil {
		return err
	}
	b, err := bencode.Marshal(torrent)
	if err != nil {
		return fmt.Errorf("encode torrent file of %s: %w", o.Seed, err)
	}
	return os.WriteFile(path, b, 0o600)
}
