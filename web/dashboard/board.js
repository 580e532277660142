// A leaderboard, and how far it is to the rank above.

export function standings(rows) {
  let rank = 0;
  let above = null;
  let points = null;

  return rows.map((row) => {
    if (row.rank !== rank) {
      above = points;
      points = Number(row.points);
      rank = row.rank;
    }

    return {
      ...row,
      points: Number(row.points),
      tied: rows.filter((other) => other.rank === row.rank).length > 1,
      behind: above === null ? 0 : above - Number(row.points),
    };
  });
}

// The month in which the period ends, unless a board was chosen.

export function chosen(filter, span) {
  return filter.board || span.to.slice(0, 7);
}

// Whether it is a month, all time, or a contest that the program has.

export const isBoard = (board, contests) => /^(|all|\d{4}-\d\d)$/.test(board)
  || contests.some(({ name }) => name === board);

// {value, text} of what can be chosen: what was chosen is one of them.

export function choices(contests, today, value) {
  const month = (back) => new Date(Date.UTC(Number(today.slice(0, 4)),
    Number(today.slice(5, 7)) - 1 - back, 1)).toISOString().slice(0, 7);
  const list = [
    { value: month(0), text: 'This month' },
    { value: month(1), text: 'Last month' },
    { value: 'all', text: 'All time' },
    ...contests.map(({ name }) => ({ value: name, text: `Contest ${name}` })),
  ];

  if (!list.some((choice) => choice.value === value)) {
    list.push({ value, text: value });
  }

  return list;
}
