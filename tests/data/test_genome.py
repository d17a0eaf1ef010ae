"""Genomes as streams: every letter where the file has it, no leak, and faults told by file and line."""

import gzip
import pickle
import sys

import numpy as np
import pytest

from seqmodels.data.batches.collate import collate
from seqmodels.data.batches.plan import make_plan
from seqmodels.data.encode.kmers import COMPLEMENT, kmers
from seqmodels.data.read import fasta as bio_files
from seqmodels.data.read.fasta import read_pieces, read_records
from seqmodels.data.sources.fasta_labelled import LabelledFastaSource
from seqmodels.data.sources.genome import GenomeSource

LETTERS = np.array(list("ACGTN"))


def write(folder, text, name="x.fa"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def random_letters(seed: int, count: int) -> str:
    return "".join(LETTERS[np.random.default_rng(seed).integers(0, 4, count)])


def wrapped(records: dict[str, str], width: int = 7, end: str = "\n") -> str:
    lines = []
    for name, letters in records.items():
        lines += [f">{name} of some kind", *(letters[i : i + width] for i in range(0, len(letters), width))]
    return end.join(lines) + end


def genome(path, folder, **options) -> GenomeSource:
    return GenomeSource(str(path), cache_dir=str(folder / "cache"), **options)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("chunk", [1, 2, 3, 16, 1 << 20])
def test_records_are_read_whole_however_the_file_is_cut(tmp_path, monkeypatch, chunk, end):
    records = {"one": random_letters(0, 40), "none": "", "two": random_letters(1, 23)}
    path = write(tmp_path, wrapped(records, end=end))
    monkeypatch.setattr(bio_files, "CHUNK", chunk)
    monkeypatch.setattr("seqmodels.data.files.unpack.CHUNK", chunk)
    found = list(read_records(path))
    assert {record.name: record.letters.decode() for record in found} == records
    assert [record.line for record in found] == [1, 8, 9]
    assert all(record.header.endswith(" of some kind") for record in found)
    packed = write(tmp_path, gzip.compress(path.read_bytes()), "x.fa.gz")
    assert [record.letters for record in read_records(packed)] == [record.letters for record in found]


def test_a_long_record_comes_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(bio_files, "CHUNK", 100)
    letters = random_letters(0, 1000)
    pieces = list(read_pieces(write(tmp_path, wrapped({"x": letters}))))
    assert len(pieces) > 5
    assert [piece.first for piece in pieces] == [True] + [False] * (len(pieces) - 1)
    assert b"".join(piece.letters for piece in pieces).decode() == letters


def test_fastq_is_read_without_its_qualities(tmp_path):
    path = write(tmp_path, "@r1 x\nACGT\n+\n@@II\n@r2\nGG\n+r2\n!!\n", "x.fq")
    assert [(r.name, r.letters) for r in read_records(path)] == [("r1", b"ACGT"), ("r2", b"GG")]


def test_fastq_may_have_letters_and_qualities_on_several_lines(tmp_path):
    path = write(tmp_path, "@r1 x\nACGT\nAC\n+\n@@II\n@+\n\n@r2\nGG\n+r2\n!!\n", "x.fq")
    assert [(r.name, r.line, r.letters) for r in read_records(path)] == [("r1", 1, b"ACGTAC"), ("r2", 8, b"GG")]


def test_proteins_may_end_in_an_asterisk(tmp_path):
    proteins = {f"p{i}": "MKLV" * (9 + i) for i in range(9)}
    plain = genome(write(tmp_path, wrapped(proteins)), tmp_path, alphabet="protein")
    ended = wrapped({name: letters + "*" for name, letters in proteins.items()})
    found = genome(write(tmp_path, ended, "ended.fa"), tmp_path, alphabet="protein")
    for name, split in plain.splits().items():
        assert found.splits()[name].read(0, 0, 5)[0].tolist() == split.read(0, 0, 5)[0].tolist()
        assert found.splits()[name].lengths.tolist() == split.lengths.tolist()
    with pytest.raises(ValueError, match=r"line 2: expected letters of amino acids, got '\*' at place 5"):
        genome(write(tmp_path, ">x\nMKLV*MK*\n", "inside.fa"), tmp_path, alphabet="protein").splits()


@pytest.mark.parametrize("end", ["\r", "\r\n"])
@pytest.mark.parametrize(("name", "text"), [("x.fa", ">x y\nACGT\nAC\n>z\nGG"), ("x.fq", "@r\nACGT\n+\nIIII\n")])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_every_line_end_is_one(tmp_path, monkeypatch, end, name, text, size):
    monkeypatch.setattr(bio_files, "read_bytes", lambda path: (data[i : i + size] for i in range(0, len(data), size)))
    data = text.encode()
    whole = list(read_records(tmp_path / name))
    data = text.replace("\n", end).encode()
    assert list(read_records(tmp_path / name)) == whole


def test_each_target_is_the_letter_after_its_input_and_parts_do_not_overlap(tmp_path):
    records = {"a": random_letters(0, 300), "b": random_letters(1, 90), "c": random_letters(2, 110)}
    source = genome(write(tmp_path, wrapped(records)), tmp_path, val_fraction=0.2, test_fraction=0.1)
    whole, found = "".join(records.values()), []
    for split in source.splits().values():
        for i, steps in enumerate(split.lengths.tolist()):
            inputs, targets = split.read(i, 0, steps)
            assert np.array_equal(inputs[1:], targets[:-1])
            found.append("".join(LETTERS[[*inputs, targets[-1]]]))
            for start, stop in ((0, 1), (3, steps), (steps - 1, steps)):
                assert np.array_equal(split.read(i, start, stop)[0], inputs[start:stop])
                assert np.array_equal(split.read(i, start, stop)[1], targets[start:stop])
    assert "".join(found) == whole  # each letter once: nothing of a part is in another
    assert [len(part) for part in found] == [300, 50, 40, 60, 50]


@pytest.mark.parametrize("kmer", [1, 3, 6])
def test_an_input_of_several_letters_knows_those_before_it_across_windows(tmp_path, kmer):
    path = write(tmp_path, wrapped({"a": random_letters(0, 200)}))
    single, joined = (genome(path, tmp_path, kmer=k, test_fraction=0.0).splits()["train"] for k in (1, kmer))
    steps = int(single.lengths[0])
    letters, every = single.read(0, 0, steps)[0], joined.read(0, 0, steps)[0]
    assert np.array_equal(every, kmers(letters, kmer, 5))
    for start in range(0, steps, 7):
        stop = min(start + 7, steps)
        assert np.array_equal(joined.read(0, start, stop)[0], every[start:stop])
        assert np.array_equal(joined.read(0, start, stop)[1], single.read(0, start, stop)[1])


def test_the_other_strand_of_training_alone(tmp_path):
    path = write(tmp_path, wrapped({"a": random_letters(0, 200), "b": random_letters(1, 100)}))
    plain, both = (genome(path, tmp_path, reverse_complement=on).splits() for on in (False, True))
    assert {name: len(part) for name, part in both.items()} == {"train": 4, "val": 1, "test": 1}
    for i, steps in enumerate(plain["train"].lengths.tolist()):
        inputs, targets = plain["train"].read(i, 0, steps)
        strand = COMPLEMENT[np.append(inputs, targets[-1])[::-1]]
        other = both["train"].read(2 + i, 0, steps)
        assert np.array_equal(np.append(other[0], other[1][-1]), strand)
        assert np.array_equal(both["train"].read(2 + i, 5, 9)[1], strand[6:10])
        assert np.array_equal(both["train"].read(i, 0, steps)[0], inputs)


def test_batches_are_windows_of_records_and_begin_afresh_with_each(tmp_path):
    path = write(tmp_path, wrapped({"a": random_letters(0, 61), "b": random_letters(1, 31)}))
    train = genome(path, tmp_path, val_fraction=0.0, test_fraction=0.0).splits()["train"]
    plan = make_plan(train.lengths, batch_size=3, window=8, stream=True)
    batches = [collate(train, plan[i]) for i in range(len(plan))]
    assert sum(int(batch.lengths.sum()) for batch in batches) == 60 + 30
    assert sum(int(batch.reset[batch.lengths > 0].sum()) for batch in batches) == 3


def test_what_is_not_known_is_one_letter_and_small_letters_are_large(tmp_path):
    path = write(tmp_path, ">x\nACGTNRYacgtnu" + "A" * 20 + "\n")
    source = genome(path, tmp_path, val_fraction=0.0, test_fraction=0.0)
    inputs, _ = source.splits()["train"].read(0, 0, 13)
    assert "".join(LETTERS[inputs]) == "ACGTNNNACGTNT"
    assert source.notes == ["4 letters are not known (N)"]
    with pytest.raises(
        ValueError, match=r"x.fa, line 2: expected letters of DNA, got 'N' .*set data.ambiguous=unknown"
    ):
        genome(path, tmp_path, ambiguous="error").splits()


def test_new_files_are_read_to_their_last_letter_by_record(tmp_path):
    source = genome(write(tmp_path, wrapped({"a": random_letters(0, 100)})), tmp_path, kmer=2)
    path = write(tmp_path, ">p\nACGT\n>empty\n>q\nC\n", "new.fa")
    new = GenomeSource.open(str(path), source.splits()["train"].spec, cache_dir=str(tmp_path / "cache"))
    assert new.lengths.tolist() == [4, 1]
    assert new.origins == [{"record": "p"}, {"record": "q"}]
    assert new.read(0, 2, 4)[0].tolist() == [5 * 1 + 2, 5 * 2 + 3]
    scored = GenomeSource.open(str(path), source.splits()["train"].spec, True, cache_dir=str(tmp_path / "cache"))
    assert scored.lengths.tolist() == [3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"x.fa: expected FASTA, FASTQ or GenBank, got an empty file"),
        ("\n\n", "got an empty file"),
        (">x\n>y\n", "expected letters, got records without any"),
        ("ACGT\n", r"x.fa: expected a header first, .*, got 'ACGT'"),
        (">x\nACGT\nAC-T\n", r"x.fa, line 3: expected letters of DNA, got '-' at place 3; remove it"),
        (">x\nACGT\n>y\nMKLVEF*\n", r"line 4: .*got 'L' .*looks like protein: set data.alphabet=protein"),
        ("@r\nACGT\n+\nIII\n", r"line 4: expected 4 qualities, one for each letter, got 3"),
        ("@r\nACGT\n@s\nACGT\n+\nIIII\n", r"line 3: expected '\+', got '@s'"),
        ("@r\nACGT\nAC\n+\nIIII\nI\n", r"line 6: expected 6 qualities, one for each letter, got 5"),
        ("@r\nACGT\n+\n", r"line 1: the record is cut short"),
        ("@r\nAC\n+\nII\nr2\nAC\n+\nII\n", r"line 5: expected '@' and a name, got 'r2'"),
        ("LOCUS       x 8 bp DNA linear INV 01-JAN-2000\nORIGIN\n        1 acgtacgt\n", "cut short: expected '//'"),
        (gzip.compress(b">x\nACGT\n" * 100, mtime=0)[:-20], "the gzip file is damaged or cut short"),
        (b"PK\x03\x04zip", "expected a header first"),
        (">x\nACG\n", "3 item|has 1 letters"),
    ],
)
def test_faults_are_told_by_file_and_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        genome(write(tmp_path, text), tmp_path).splits()


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "Bio", None)
    with pytest.raises(ValueError, match=r"GenBank needs Biopython: pip install 'seqmodels\[bio\]'"):
        genome(write(tmp_path, "LOCUS  x\n//\n"), tmp_path).splits()


def test_options_out_of_range():
    for options, message in (
        ({"alphabet": "rna"}, "data.alphabet must be one of dna, protein"),
        ({"ambiguous": "drop"}, "data.ambiguous must be one of unknown, error"),
        ({"kmer": 0}, "data.kmer must be a whole number of at least 1 and at most 1000, got 0"),
        ({"kmer": 10}, "from 1 to 9"),
        ({"alphabet": "protein", "reverse_complement": True}, "only DNA has another strand"),
    ):
        with pytest.raises(ValueError, match=message):
            GenomeSource(**options)


# Sequences with a class each.


def labelled(folder, copies: int = 3):
    (folder / "hot").mkdir()
    (folder / "cold").mkdir()
    for label in ("hot", "cold"):
        records = {
            f"{label}{i // copies}_{i} kind={label}": random_letters(number(label, i // copies), 30) for i in range(60)
        }
        write(folder / label, wrapped(records), f"{label}.fa")
    return folder


def number(label: str, which: int) -> int:
    return which + (1000 if label == "hot" else 2000)


def test_classes_from_file_folder_header_or_table(tmp_path):
    folder = labelled(tmp_path)
    table = "name,label\n" + "".join(f"{x}{i // 3}_{i},{x}\n" for x in ("hot", "cold") for i in range(60))
    manifest = write(tmp_path, table, "classes.csv")
    for label in ("file", "folder", r"kind=(\w+)", str(manifest)):
        splits = LabelledFastaSource(str(folder), label, val_fraction=0.2).splits()
        assert splits["train"].spec.target_names == ("cold", "hot")
        for split in splits.values():
            for i, origin in enumerate(split.origins):
                assert split.spec.target_names[int(split.read(i, 0, 1)[1])] == origin["record"].rstrip("_0123456789")


def test_copies_are_in_one_split_and_classes_have_equal_shares(tmp_path):
    splits = LabelledFastaSource(str(labelled(tmp_path)), "file", val_fraction=0.2, test_fraction=0.2).splits()
    seen = [{split.read(i, 0, 30)[0].tobytes() for i in range(len(split))} for split in splits.values()]
    assert sum(map(len, seen)) == len(set().union(*seen)) == 40
    assert sum(map(len, splits.values())) == 120
    for split in splits.values():
        assert np.mean([split.read(i, 0, 1)[1] for i in range(len(split))]) == 0.5


def test_what_is_wrong_with_labels(tmp_path):
    folder = labelled(tmp_path)
    spec = LabelledFastaSource(str(folder), "file").splits()["train"].spec
    new = str(write(tmp_path, ">a\nACGT\n", "warm.fa"))
    assert len(LabelledFastaSource.open(new, spec)) == 1
    with pytest.raises(
        ValueError, match=r"warm.fa, line 1: the class 'warm' was never seen in training, which had: cold"
    ):
        LabelledFastaSource.open(new, spec, targets=True)
    with pytest.raises(ValueError, match="expected two classes or more to tell apart, got only 'warm'"):
        LabelledFastaSource(new, "file").splits()
    with pytest.raises(ValueError, match=r"warm.fa, line 1: the header 'a' has no 'kind="):
        LabelledFastaSource(new, r"kind=(\w+)").splits()
    with pytest.raises(ValueError, match="expression with one group"):
        LabelledFastaSource(new, "kind").splits()
    with pytest.raises(ValueError, match="line 1: the record 'a' has no letters"):
        LabelledFastaSource(str(write(tmp_path, ">a\n>b\nAC\n", "none.fa")), "file").splits()
    twice = write(tmp_path, "name,label\na,x\na,y\n", "twice.csv")
    with pytest.raises(ValueError, match=r"twice.csv, line 3, column 'name': the name 'a' is there twice"):
        LabelledFastaSource(new, str(twice)).splits()
    lacking = write(tmp_path, "name,label\nb,x\n", "lacking.csv")
    with pytest.raises(ValueError, match=r"warm.fa, line 1: .*lacking.csv has no class for 'a'"):
        LabelledFastaSource(new, str(lacking)).splits()


def test_labelled_records_lie_on_disk_and_are_those_of_the_file(tmp_path):
    rng = np.random.default_rng(1)
    letters = ["".join(rng.choice(list("ACGT"), 200 + i)) for i in range(300)]
    text = "".join(f">r{i}\tof kind={'ab'[i % 2]}\n{own}\n" for i, own in enumerate(letters))
    path = write(tmp_path, text, "many.fa")
    source = LabelledFastaSource(str(path), r"kind=(\w)", cache_dir=str(tmp_path / "kept"))
    for _ in range(2):  # encoded, and from the cache
        for split in source.splits().values():
            again = pickle.loads(pickle.dumps(split))
            for i, origin in enumerate(split.origins):
                number = int(origin["record"][1:])
                tokens, label = again.read(i, 0, int(split.lengths[i]))
                assert "".join(split.spec.input_names[t] for t in tokens) == letters[number]
                assert split.spec.target_names[label] == "ab"[number % 2]
    packed = len(pickle.dumps(source.splits()["train"]))
    assert packed < sum(map(len, letters)) / 2
